package evaluate

import "runtime"

// thread runs functions on one operating system thread, which lives until stop.
// Children are started on it: Linux kills a child of ours when the thread that
// started it ends, and Go may end any other thread while the slave lives on.
type thread struct {
	work chan func()
	done chan struct{} // closed when the thread is given back
}

func newThread() *thread {
	t := &thread{work: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range t.work {
			f()
		}
	}()
	return t
}

// do runs f on the thread and waits for it. It must not be called after stop.
func (t *thread) do(f func()) {
	finished := make(chan struct{})
	t.work <- func() {
		defer close(finished)
		f()
	}
	<-finished
}

// stop ends the thread and waits for it.
func (t *thread) stop() {
	close(t.work)
	<-t.done
}
