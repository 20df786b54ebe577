package wal

import (
	"bytes"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// windowSize is how much of a segment is in memory while it is read, unless
// one record is larger.
const windowSize = 1 << 20

// window shows a segment a part at a time: a segment may be larger than what
// memory there is.
type window struct {
	f    vfs.File
	size int64 // so many bytes are read, or are to be read
	off  int64 // of the first byte of buf
	buf  []byte
}

// from returns what is in memory from byte at on: at least n bytes, unless the
// segment ends before. It is valid until the next call.
func (w *window) from(at int64, n int) ([]byte, error) {
	left := w.size - at
	if left <= 0 {
		return nil, nil
	}
	n = int(min(int64(n), left))
	if at >= w.off && at+int64(n) <= w.off+int64(len(w.buf)) {
		return w.buf[at-w.off:], nil
	}
	take := int(min(int64(max(n, windowSize)), left))
	if cap(w.buf) < take {
		w.buf = make([]byte, take)
	}
	w.off, w.buf = at, w.buf[:take]
	got, err := w.f.ReadAt(w.buf, at)
	if got == take || err == nil {
		return w.buf, nil
	}
	w.buf = w.buf[:0]
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// record returns the record at byte at, and its length with zeros: 0, if there
// is no whole one.
func (w *window) record(at int64, id segmentID) (h recordHead, body []byte, n int, err error) {
	b, err := w.from(at, HeadSize)
	if err != nil {
		return h, nil, 0, err
	}
	h, ok := decodeHead(b, id, at)
	if !ok || h.size > MaxBody || at+HeadSize+int64(h.size) > w.size {
		return h, nil, 0, nil
	}
	if b, err = w.from(at, padded(int(h.size))); err != nil {
		return h, nil, 0, err
	}
	if h, body, n, ok = recordAt(b, id, at); !ok {
		return h, nil, 0, nil
	}
	return h, body, n, nil
}

// find returns where the first whole record from byte at on is that was
// written when at least synced bytes were durable, or -1.
func (w *window) find(at int64, id segmentID, synced uint64) (int64, error) {
	for {
		b, err := w.from(at, len(recordMagic))
		if err != nil || len(b) < len(recordMagic) {
			return -1, err
		}
		i := bytes.Index(b, recordMagic[:])
		if i < 0 {
			at += int64(len(b) - len(recordMagic) + 1)
			continue
		}
		at += int64(i)
		h, _, n, err := w.record(at, id)
		if err != nil {
			return -1, err
		}
		if n > 0 && h.synced >= synced {
			return at, nil
		}
		at++
	}
}
