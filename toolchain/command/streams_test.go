package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// start is any point in time.
var start = time.Unix(1_700_000_000, 0)

// within fails the test if f does not return in time: when a reader gives up, the command blocks forever on a full pipe.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(testTimeout):
		t.Fatal("it did not return in time")
	}
}

func TestProgressBarsAndLongLinesDoNotHang(t *testing.T) {
	const count = 200_000
	tests := map[string]struct {
		create string
		length int
	}{
		"a progress bar without a newline": {fmt.Sprintf(`awk 'BEGIN { for (i = 0; i < %d; i++) printf "\r%%07d", i }'`, count/8), count},
		"a line of 1 MiB":                  {`awk 'BEGIN { for (i = 0; i < 1048576; i++) printf "x" }'`, 1 << 20},
		"a long line on stderr":            {`awk 'BEGIN { for (i = 0; i < 200000; i++) printf "x" }' >&2`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				created := newTestServer(t).mustCreate(inputs("create", test.create))
				if got := len(text(t, created.Properties, "stdout")); got != test.length {
					t.Errorf("stdout has %d bytes, want %d", got, test.length)
				}
			})
		})
	}
}

func TestLoggingSelectsTheStreamsThatAreShown(t *testing.T) {
	const create = "echo out; sleep 0.1; echo err >&2"
	for logging, want := range map[string]string{"": "out|err", "stdoutAndStderr": "out|err", "stdout": "out", "stderr": "err", "none": ""} {
		t.Run("logging "+logging, func(t *testing.T) {
			record := recordLog(t)
			in := inputs("create", create)
			if logging != "" {
				in = inputs("create", create, "logging", logging)
			}
			created := newTestServer(t).mustCreate(in)
			expect(t, "log", record.joined(), want)
			expect(t, "stdout", text(t, created.Properties, "stdout"), "out")
			expect(t, "stderr", text(t, created.Properties, "stderr"), "err")
		})
	}
}

func TestTheLineWriterSplitsLinesAndSkipsProgressStates(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	accents := strings.Repeat("é", maxLogLine/2)
	tests := map[string]struct {
		writes []string
		want   []string
	}{
		"lines":                       {[]string{"a\nb\n"}, []string{"a", "b"}},
		"a line in pieces":            {[]string{"a", "b", "\nc"}, []string{"ab", "c"}},
		"Windows line ends":           {[]string{"a\r\nb\r", "\nc\r\n"}, []string{"a", "b", "c"}},
		"a progress bar":              {[]string{"\r1%\r2%", "\r3%\r", "4%\n"}, []string{"1%", "4%"}},
		"a progress bar without end":  {[]string{"1%\r2%\r3%\r"}, []string{"1%", "3%"}},
		"a line of exactly the limit": {[]string{long + "\n"}, []string{long}},
		"a line beyond the limit":     {[]string{long + long + "y\n"}, []string{long, long, "y"}},
		"a cut beside a character":    {[]string{"x" + accents + "\n"}, []string{"x" + accents[:maxLogLine-2], "é"}},
		"bytes that are not text":     {[]string{"a\xffb\n"}, []string{"a\uFFFDb"}},
		"many invalid bytes":          {[]string{strings.Repeat("\x80", maxLogLine+1)}, []string{"\uFFFD", "\uFFFD"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			writer := newLineWriter(func(line string) { got = append(got, line) })
			writer.now = func() time.Time { return start }
			for _, chunk := range test.writes {
				if n, err := writer.Write([]byte(chunk)); n != len(chunk) || err != nil {
					t.Fatalf("Write returned %d, %v", n, err)
				}
			}
			writer.flush()
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("logged %q, want %q", got, test.want)
			}
		})
	}
}

func TestProgressIsShownTwiceASecond(t *testing.T) {
	var got []string
	clock := start
	writer := newLineWriter(func(line string) { got = append(got, line) })
	writer.now = func() time.Time { return clock }
	for i := range 11 {
		fmt.Fprintf(writer, "%d%%\r", i)
		clock = clock.Add(100 * time.Millisecond)
	}
	expect(t, "log", strings.Join(got, "|"), "0%|5%")
	writer.flush()
	expect(t, "log after the end", strings.Join(got, "|"), "0%|5%|10%")
}

func TestTailKeepsTheEnd(t *testing.T) {
	end := tail{limit: 4}
	for _, chunk := range []string{"abc", "defgh", "i"} {
		if _, err := end.Write([]byte(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "tail", end.String(), "(the first 5 bytes are left out)\nfghi")
}
