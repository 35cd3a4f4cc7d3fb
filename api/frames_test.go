package api

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

func TestAnEventIsEncodedOnceForAllReaders(t *testing.T) {
	var f frames
	encoded := 0
	get := func(index uint64, size int) {
		want := bytes.Repeat([]byte{byte(index)}, size)
		got := f.get(Place{Index: index}, func() []byte {
			encoded++
			return bytes.Clone(want)
		})
		if !bytes.Equal(got, want) {
			t.Fatalf("event %d is another", index)
		}
	}
	for index := range uint64(maxFrames) {
		for range 3 {
			get(index, 10)
		}
	}
	if encoded != maxFrames {
		t.Errorf("%d events were encoded %d times", maxFrames, encoded)
	}
	for index := uint64(maxFrames); index < 3*maxFrames; index++ {
		get(index, maxFrameBytes/100)
		if len(f.of) > maxFrames || len(f.of) != len(f.order) || f.bytes > maxFrameBytes {
			t.Fatalf("%d events of %d bytes are kept", len(f.of), f.bytes)
		}
	}
}

func TestTheMoreReadersThereAreTheLongerEachCollects(t *testing.T) {
	late := false
	s := &server{Config: Config{Late: func() bool { return late }}, streams: make(room, maxStreams)}
	want := func(least, most time.Duration) {
		t.Helper()
		for range 100 {
			if d := s.collecting(); d < least || d > most {
				t.Errorf("%d readers collect for %s, want %s to %s", len(s.streams), d, least, most)
			}
		}
	}
	join := func(n int) {
		for len(s.streams) < n {
			s.streams <- struct{}{}
		}
	}
	want(0, 0)
	join(fewReaders)
	want(0, 0)
	join(20)
	want(20*time.Millisecond, 60*time.Millisecond)
	join(maxStreams)
	want(256*time.Millisecond, 768*time.Millisecond)
	late = true
	want(slowestStream/2, 3*slowestStream/2)
}

// TestManyReadersAreNotWokenByEachEvent counts how often readers look, while
// something happens every millisecond.
func TestManyReadersAreNotWokenByEachEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		const readers, events = 32, 1000
		listener := watching(t, m)
		var all []*watcher
		for range readers {
			w := watchOver(t, listener, "/v1/events", "")
			w.next() // where it begins
			w.next() // who leads
			all = append(all, w)
		}
		synctest.Wait()
		before := m.looked.Load()
		read := make(chan int)
		for _, w := range all {
			go func() {
				n := 0
				for n < events && w.next() != "" {
					n++
				}
				read <- n
			}()
		}
		for range events {
			m.happen(Change{What: "submitted", Task: taskIs(1, "k", task.Pending)})
			time.Sleep(time.Millisecond)
		}
		for range all {
			if n := <-read; n != events {
				t.Errorf("a reader got %d of %d events", n, events)
			}
		}
		// Each collects for at least 32 ms, and looks twice for what it then sends.
		if looks := int(m.looked.Load()-before) / readers; looks > 2*events/32 {
			t.Errorf("a reader looked %d times for %d events", looks, events)
		}
	})
}
