package link_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"muster/slave/link"
)

const emptyOrders = `{"incarnation":"0123456789abcdef","tasks":[]`

// TestLargeBodiesTakeTurns begins two large bodies that do not end: a third is
// told to come back, small ones are served.
func TestLargeBodiesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := link.Handler(newWorker(t, 1, deaf{}))
		sequence := 0
		post := func(body io.Reader) *httptest.ResponseRecorder {
			sequence++
			req := httptest.NewRequest(http.MethodPost, "/tasks", body)
			req.Header.Set("Muster-Term", "1")
			req.Header.Set("Muster-Sequence", fmt.Sprint(sequence))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			return rec
		}
		large := emptyOrders + strings.Repeat(" ", 100_000)
		var begun []*io.PipeWriter
		ended := make(chan int, 2)
		for range 2 {
			r, w := io.Pipe()
			begun = append(begun, w)
			go func() { ended <- post(r).Code }()
			synctest.Wait()
			_, _ = io.WriteString(w, large) // read, as there is room
		}
		if rec := post(strings.NewReader(large + "}")); rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), `"overloaded"`) {
			t.Errorf("one too many: %d %s", rec.Code, rec.Body)
		}
		if rec := post(strings.NewReader(emptyOrders + "}")); rec.Code != http.StatusOK {
			t.Errorf("a small body: %d %s", rec.Code, rec.Body)
		}
		for _, w := range begun {
			w.CloseWithError(io.ErrUnexpectedEOF)
			if code := <-ended; code != http.StatusBadRequest {
				t.Errorf("half a body: %d", code)
			}
		}
		if rec := post(strings.NewReader(large + "}")); rec.Code != http.StatusOK {
			t.Errorf("when there is room again: %d %s", rec.Code, rec.Body)
		}
	})
}

// TestABodyDoesNotMeanManyTimesItsSize sends as many things as fit into 1 MiB.
func TestABodyDoesNotMeanManyTimesItsSize(t *testing.T) {
	h := link.Handler(newWorker(t, 1, deaf{}))
	const size = 1 << 20
	var distinct strings.Builder
	for i := 0; distinct.Len() < size; i++ {
		fmt.Fprintf(&distinct, `"%x":1,`, i)
	}
	const begin = `{"incarnation":"0123456789abcdef","tasks":[`
	for name, body := range map[string]string{
		"orders":     begin + strings.Repeat(`{},`, size/3) + `{}]}`,
		"nulls":      begin + strings.Repeat(`null,`, size/5) + `null]}`,
		"parameters": begin + `{"id":1,"attempt":1,"kind":"k","parameters":{` + distinct.String() + `"x":1}}]}`,
		"one name":   begin + `{"id":1,"attempt":1,"kind":"k","parameters":{` + strings.Repeat(`"":1,`, size/5) + `"x":1}}]}`,
		"a text":     begin + `{"id":1,"attempt":1,"kind":"` + strings.Repeat("k", size) + `"}]}`,
		"a number":   begin + `{"id":1,"attempt":1,"kind":"k","parameters":{"x":` + strings.Repeat("9", size) + `}}]}`,
		"depth":      begin + strings.Repeat("[", 50) + strings.Repeat(" ", size),
	} {
		req := httptest.NewRequest(http.MethodPost, "/tasks", strings.NewReader(body))
		req.Header.Set("Muster-Term", "1")
		req.Header.Set("Muster-Sequence", "1")
		rec := httptest.NewRecorder()
		before := allocated()
		h.ServeHTTP(rec, req)
		if used := allocated() - before; used > 20*size {
			t.Errorf("%s: 1 MiB allocated %d MiB", name, used>>20)
		}
		if rec.Body.Len() > 1000 {
			t.Errorf("%s: the refusal has %d bytes", name, rec.Body.Len())
		}
	}
}
