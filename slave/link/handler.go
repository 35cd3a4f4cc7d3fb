package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"muster/slave/worker"
	"muster/task"
)

// Bounds of what a slave reads and answers.
const (
	maxOrdersBytes  = 16 << 20 // the body of POST /tasks
	maxShortBytes   = 4 << 10  // the body of POST /tasks/{id}/cancel and POST /resize
	maxClusterBytes = 64       // the name of a cluster
	// maxResultsBytes bounds the texts of the results in one answer to
	// POST /tasks. Escaped, they stay below what a Sender reads.
	maxResultsBytes = 8 << 20
)

// healthPath is what anybody may ask for, by any name.
const healthPath = "/healthz"

// Handler returns the slave's endpoints in front of a worker.
func Handler(w *worker.Worker) http.Handler {
	e := endpoints{worker: w, bodies: make(bodies, largeBodies)}
	mux := http.NewServeMux()
	for _, route := range []struct {
		method, path string
		serve        http.HandlerFunc
	}{
		{http.MethodGet, "/available", e.available},
		{http.MethodPost, "/tasks", e.accept},
		{http.MethodGet, "/tasks", e.held},
		{http.MethodPost, "/tasks/{id}/cancel", e.cancel},
		{http.MethodPost, "/resize", e.resize},
		{http.MethodGet, healthPath, (&health{worker: w}).ServeHTTP},
	} {
		mux.Handle(route.method+" "+route.path, route.serve)
	}
	return jsonErrors(mux, map[string]http.HandlerFunc{"/tasks": e.accept})
}

// jsonErrors answers what the mux does not know in the shape of all errors. hot are
// paths of POST that need no mux.
func jsonErrors(mux *http.ServeMux, hot map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if hot := hot[r.URL.Path]; hot != nil && r.Method == http.MethodPost {
			hot(rw, r) // the one that the mux would find, too
			return
		}
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(rw, r)
			return
		}
		probe := recorder{header: http.Header{}}
		refusal.ServeHTTP(&probe, r) // to learn which of the two it is
		if probe.status == http.StatusMethodNotAllowed {
			rw.Header().Set("Allow", probe.header.Get("Allow"))
			writeError(rw, probe.status, task.CodeMethodNotAllowed, r.Method+" is not possible on "+r.URL.Path)
			return
		}
		writeError(rw, http.StatusNotFound, task.CodeNotFound, "a slave has nothing at "+r.URL.Path)
	})
}

// recorder keeps the status and the header of an answer and nothing else.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }

type endpoints struct {
	worker *worker.Worker
	bodies bodies
}

func (e endpoints) available(rw http.ResponseWriter, r *http.Request) {
	stamp, err := readStamp(r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	a, err := e.worker.Available(stamp)
	if err != nil {
		e.refuse(rw, stamp, err)
		return
	}
	writeWord(rw, a)
}

func (e endpoints) accept(rw http.ResponseWriter, r *http.Request) {
	stamp, err := requireStamp(r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	incarnation, orders, err := e.orders(rw, r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	receipts, a, err := e.worker.Accept(stamp, incarnation, orders)
	if err != nil {
		e.refuse(rw, stamp, err)
		return
	}
	b := append(appendAvailability(make([]byte, 0, 256+64*len(receipts)), &a), `,"tasks":[`...)
	bounded(receipts)
	for i := range receipts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendReceipt(b, &receipts[i])
	}
	writeBody(rw, http.StatusOK, append(b, "]}\n"...))
}

// orders reads the body of POST /tasks.
func (e endpoints) orders(rw http.ResponseWriter, r *http.Request) (incarnation string, orders []task.Order, err error) {
	var body ordersRequest
	quickly := false
	err = e.bodies.read(rw, r, maxOrdersBytes, &body, func(text []byte) bool {
		incarnation, orders, quickly = quickOrders(text)
		return quickly
	})
	if err != nil || quickly {
		return incarnation, orders, err
	}
	orders, err = body.orders()
	return body.Incarnation, orders, err
}

func (e endpoints) held(rw http.ResponseWriter, r *http.Request) {
	stamp, err := readStamp(r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	held, a, err := e.worker.Held(stamp)
	if err != nil {
		e.refuse(rw, stamp, err)
		return
	}
	tasks := make([]receipt, len(held))
	for i := range held {
		tasks[i] = fromHeld(held[i])
	}
	writeJSON(rw, http.StatusOK, heldAnswer{fromAvailability(a), tasks})
}

func (e endpoints) cancel(rw http.ResponseWriter, r *http.Request) {
	stamp, err := requireStamp(r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil || id == 0 {
		badRequest(rw, fmt.Errorf("%q is not the id of a task", r.PathValue("id")))
		return
	}
	var body cancelRequest
	if err := e.bodies.read(rw, r, maxShortBytes, &body, nil); err != nil {
		badRequest(rw, err)
		return
	}
	if body.Incarnation == "" || body.Attempt == 0 {
		badRequest(rw, errors.New("incarnation and attempt are required"))
		return
	}
	a, err := e.worker.Cancel(stamp, body.Incarnation, task.ID(id), body.Attempt)
	if err != nil {
		e.refuse(rw, stamp, err)
		return
	}
	writeWord(rw, a)
}

func (e endpoints) resize(rw http.ResponseWriter, r *http.Request) {
	stamp, err := requireStamp(r)
	if err != nil {
		badRequest(rw, err)
		return
	}
	var body resizeRequest
	if err := e.bodies.read(rw, r, maxShortBytes, &body, nil); err != nil {
		badRequest(rw, err)
		return
	}
	if body.Incarnation == "" || body.Slots == 0 {
		badRequest(rw, errors.New("incarnation and slots are required"))
		return
	}
	a, err := e.worker.ResizeTo(stamp, body.Incarnation, body.Slots)
	switch {
	case errors.Is(err, task.ErrNoSize):
		badRequest(rw, err)
	case err != nil:
		e.refuse(rw, stamp, err)
	default:
		writeWord(rw, a)
	}
}

func (b ordersRequest) orders() ([]task.Order, error) {
	if b.Incarnation == "" || b.Tasks == nil {
		return nil, errors.New("incarnation and tasks are required")
	}
	orders := make([]task.Order, len(b.Tasks))
	for i := range b.Tasks {
		var err error
		if orders[i], err = b.Tasks[i].toTask(); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// bounded bounds the answer: of results beyond the bound it says that the
// attempt is running. The leader then learns them from the slave's reports,
// which are bounded one by one.
func bounded(receipts []task.Receipt) {
	room := maxResultsBytes
	for i, r := range receipts {
		if r.Status == task.Finished {
			room -= len(r.Result.Value.Text) + len(r.Result.Error)
			if room < 0 {
				receipts[i] = task.Receipt{ID: r.ID, Attempt: r.Attempt, Status: task.Running}
			}
		}
	}
}

// readStamp reads the stamp of a request; a request without one has the zero
// stamp.
func readStamp(r *http.Request) (task.Stamp, error) {
	term, sequence := r.Header.Get(headerTerm), r.Header.Get(headerSequence) // the names are as they stand in the map
	if term == "" && sequence == "" {
		return task.Stamp{}, nil
	}
	var s task.Stamp
	var err error
	if s.Term, err = strconv.ParseUint(term, 10, 64); err != nil {
		return s, fmt.Errorf("header %s is %q, not a number", headerTerm, term)
	}
	if s.Sequence, err = strconv.ParseUint(sequence, 10, 64); err != nil {
		return s, fmt.Errorf("header %s is %q, not a number", headerSequence, sequence)
	}
	if s == (task.Stamp{}) {
		return s, nil // as good as none
	}
	if s.Cluster = r.Header.Get(headerCluster); len(s.Cluster) > maxClusterBytes {
		return s, fmt.Errorf("header %s has %d bytes; at most %d are possible", headerCluster, len(s.Cluster), maxClusterBytes)
	}
	return s, nil
}

// requireStamp reads the stamp of a request that only a leader sends.
func requireStamp(r *http.Request) (task.Stamp, error) {
	s, err := readStamp(r)
	if err == nil && s == (task.Stamp{}) {
		err = fmt.Errorf("the headers %s and %s are required", headerTerm, headerSequence)
	}
	return s, err
}

// refuse answers what the worker refused.
func (e endpoints) refuse(rw http.ResponseWriter, stamp task.Stamp, err error) {
	answer := errorAnswer{Error: err.Error(), Code: task.CodeInternal}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, task.ErrWrongCluster):
		status, answer.Code = http.StatusConflict, task.CodeWrongCluster
		answer.Cluster = e.worker.Cluster()
		answer.Error = "the request is of cluster " + stamp.Cluster + "; this slave works for cluster " + answer.Cluster
		if answer.Cluster == "" {
			answer.Error = "the request is of cluster " + stamp.Cluster + "; this slave does not know yet which it works for, and has heard of too many"
		}
	case errors.Is(err, task.ErrStaleStamp):
		status, answer.Code = http.StatusConflict, task.CodeStaleTerm
	case errors.Is(err, task.ErrWrongIncarnation):
		status, answer.Code = http.StatusConflict, task.CodeWrongIncarnation
		answer.Incarnation = e.worker.Incarnation()
		answer.Error = "the request is for another incarnation; this one is " + answer.Incarnation
	}
	writeJSON(rw, status, answer)
}

func badRequest(rw http.ResponseWriter, err error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		writeError(rw, http.StatusRequestEntityTooLarge, task.CodeBodyTooLarge, err.Error())
		return
	}
	if errors.Is(err, errNoRoom) {
		rw.Header().Set("Retry-After", "1")
		writeError(rw, http.StatusTooManyRequests, task.CodeOverloaded, err.Error())
		return
	}
	writeError(rw, http.StatusBadRequest, task.CodeInvalidRequest, err.Error())
}

func writeError(rw http.ResponseWriter, status int, code task.Code, message string) {
	writeJSON(rw, status, errorAnswer{Error: message, Code: code})
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// The shapes of this package always have a JSON form.
		http.Error(rw, `{"error":"`+http.StatusText(http.StatusInternalServerError)+`","code":"internal"}`, http.StatusInternalServerError)
		return
	}
	writeBody(rw, status, append(body, '\n'))
}

func writeWord(rw http.ResponseWriter, a task.Availability) {
	writeBody(rw, http.StatusOK, append(appendAvailability(make([]byte, 0, 256), &a), "}\n"...))
}

func writeBody(rw http.ResponseWriter, status int, body []byte) {
	h := rw.Header()
	h["Content-Type"], h["Content-Length"] = jsonType, []string{strconv.Itoa(len(body))}
	rw.WriteHeader(status)
	_, _ = rw.Write(body) // who hung up needs no answer
}
