package cli

// serverPage is the largest page that a server gives.
const serverPage = 1000

// Gather gets page after page of a list, from cursor on, until it has limit
// items; 0 is all. Next is where the list goes on, "" at its end.
func Gather[T any](cursor string, limit int, page func(cursor string, size int) ([]T, string, error)) (all []T, next string, err error) {
	if limit < 0 {
		return nil, "", Usage("--limit %d is negative; 0 is all", limit)
	}
	all = []T{}
	for {
		size := serverPage
		if limit > 0 {
			size = min(size, limit-len(all))
		}
		items, next, err := page(cursor, size)
		if err != nil {
			return nil, "", err
		}
		all = append(all, items...)
		if next == "" || limit > 0 && len(all) >= limit {
			return all, next, nil
		}
		cursor = next
	}
}
