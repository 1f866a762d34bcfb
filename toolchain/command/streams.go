package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// maxLogLine is the longest piece of a line, in bytes, that is logged at once; a longer line is logged in pieces.
const maxLogLine = 8 << 10

// progressInterval is the least time between two logged states of a progress bar.
const progressInterval = 500 * time.Millisecond

// validText makes text fit for the engine's protocol, which refuses strings that are not UTF-8.
func validText(b []byte) string {
	return strings.ToValidUTF8(string(b), string(utf8.RuneError))
}

// capture keeps one stream whole.
type capture struct{ bytes.Buffer }

func (c *capture) String() string {
	return validText(bytes.TrimSuffix(c.Bytes(), []byte("\n")))
}

// tail keeps the end of what several streams write.
type tail struct {
	limit   int // bytes
	mu      sync.Mutex
	kept    []byte
	dropped int
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if excess := len(t.kept) - t.limit; excess > 0 {
		t.dropped += excess
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped == 0 {
		return validText(t.kept)
	}
	return fmt.Sprintf("(the first %d bytes are left out)\n%s", t.dropped, validText(t.kept))
}

// lineWriter logs one stream line by line. A line that ends with a carriage return is a state of a progress bar, which the next one overwrites: of
// those it logs two a second, because the engine takes longer to show one than a command to print it.
type lineWriter struct {
	log     func(line string)
	now     func() time.Time
	mu      sync.Mutex
	pending []byte
	shown   time.Time // when a progress state was last logged
}

func newLineWriter(log func(line string)) *lineWriter {
	return &lineWriter{log: log, now: time.Now}
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, b...)
	for {
		end := bytes.IndexAny(w.pending, "\r\n")
		switch {
		case end > maxLogLine || end < 0 && len(w.pending) > maxLogLine:
			w.emit(runeBoundary(w.pending, maxLogLine), 0)
		case end < 0:
			return len(b), nil
		case w.pending[end] == '\n':
			w.emit(end, 1)
		case end+1 == len(w.pending): // a newline may follow
			return len(b), nil
		case w.pending[end+1] == '\n':
			w.emit(end, 2)
		default:
			w.emitProgress(end)
		}
	}
}

// flush logs a last line that has no end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = bytes.TrimSuffix(w.pending, []byte("\r"))
	w.emit(len(w.pending), 0)
}

// emit logs the first n bytes, unless there are none, and drops the separator after them.
func (w *lineWriter) emit(n, separator int) {
	if n > 0 {
		w.log(validText(w.pending[:n]))
	}
	w.pending = w.pending[n+separator:]
}

// emitProgress logs or drops the first n bytes, and drops the carriage return after them.
func (w *lineWriter) emitProgress(n int) {
	if now := w.now(); n > 0 && now.Sub(w.shown) >= progressInterval {
		w.log(validText(w.pending[:n]))
		w.shown = now
	}
	w.pending = w.pending[n+1:]
}

// runeBoundary is the largest position up to limit that does not cut a character in two.
func runeBoundary(b []byte, limit int) int {
	for cut := limit; cut > limit-utf8.UTFMax; cut-- {
		if utf8.RuneStart(b[cut]) {
			return cut
		}
	}
	return limit
}
