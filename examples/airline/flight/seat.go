package flight

import "strconv"

// MaxSeats is the number of seats of the largest aircraft.
const MaxSeats = 540

// letters are the seats of a row, nine abreast as in a wide body. There is no
// I, which looks like a 1.
const letters = "ABCDEFGHJ"

// SeatLabel returns the label of seat i, from 0: 1A, 1B, … 2A, …
func SeatLabel(i int) string {
	b := strconv.AppendInt(make([]byte, 0, 4), int64(i/len(letters)+1), 10)
	return string(append(b, letters[i%len(letters)]))
}

// SeatIndex returns the number of the seat with that label, -1 if there is
// no such seat.
func SeatIndex(label string) int {
	if len(label) < 2 {
		return -1
	}
	row, err := strconv.Atoi(label[:len(label)-1])
	if err != nil || row < 1 || row > MaxSeats {
		return -1
	}
	for i := range len(letters) {
		if letters[i] == label[len(label)-1] {
			return (row-1)*len(letters) + i
		}
	}
	return -1
}
