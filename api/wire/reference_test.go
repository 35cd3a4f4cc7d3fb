package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/task"
)

// This file is the strict decoding in two passes that Decoder had at first: the tokens
// of encoding/json are held against the shape, then json.Unmarshal reads the body. It is
// what FuzzDecodeAgainstReference holds Decoder against.

type reference[T any] struct {
	shape     *refShape
	replacing bool
	anyBytes  bool
	what      string
}

func newReference[T any]() reference[T] {
	return reference[T]{shape: refShapeOf(reflect.TypeFor[T]()), what: "the body"}
}

// Decode reads the whole body as one T.
func (d reference[T]) decode(body []byte) (T, *task.Error) {
	var v T
	if !utf8.Valid(body) && !d.anyBytes {
		return v, refuse(d.what + " is not valid UTF-8")
	}
	if at := LoneSurrogate(body); at >= 0 && !d.replacing {
		return v, refuse(fmt.Sprintf("%s has %s at byte %d, which is half of a character; write the character itself, or both halves of it", d.what, body[at:at+6], at))
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return v, refuse(d.what + " is empty; it must be a JSON object")
	}
	w := refWalk{dec: json.NewDecoder(bytes.NewReader(body)), what: d.what}
	w.dec.UseNumber()
	if err := w.value(d.shape, ""); err != nil {
		return v, w.refusal(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return v, refuse("something follows the JSON value in " + d.what)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, refuse(d.what + " is not valid JSON: " + err.Error())
	}
	return v, nil
}

// shape is what JSON may stand at one place.
type refShape struct {
	kind   reflect.Kind // Struct, Slice, String, Bool, an integer's, or Map for what has a read of its own
	read   func(*json.Decoder) (refusal string, err error)
	least  bool       // what 0 or "" would mean is said by leaving it out
	elem   *refShape  // of a Slice
	fields []refField // of a Struct; few, so a scan beats a map
}

type refField struct {
	name     string
	required bool
	shape    *refShape
}

func refShapeOf(t reflect.Type) *refShape {
	switch t {
	case reflect.TypeFor[ParameterList]():
		return &refShape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			_, refusal, err := refParameters(dec)
			return refusal, err
		}}
	case reflect.TypeFor[LabelList]():
		return &refShape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			_, refusal, err := refLabels(dec)
			return refusal, err
		}}
	case reflect.TypeFor[refItems](), reflect.TypeFor[refResults]():
		return &refShape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			return refElements(dec, func([]byte) {})
		}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return refShapeOf(t.Elem())
	case reflect.Slice:
		return &refShape{kind: reflect.Slice, elem: refShapeOf(t.Elem())}
	case reflect.Struct:
		s := &refShape{kind: reflect.Struct}
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			inner := refShapeOf(f.Type)
			inner.least = f.Tag.Get("least") != ""
			s.fields = append(s.fields, refField{name, !strings.Contains(options, "omitempty"), inner})
		}
		if len(s.fields) > 64 {
			panic("wire: " + t.String() + " has more than 64 fields")
		}
		return s
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return &refShape{kind: t.Kind()}
	default:
		panic("wire: no strict decoding of " + t.String())
	}
}

// walk compares tokens with a shape. Its depth is that of the shape, whatever
// the input is.
type refWalk struct {
	dec  *json.Decoder
	what string
}

// refusal makes one of what a walk ended with.
func (w *refWalk) refusal(err error) *task.Error {
	if e, ok := errors.AsType[*task.Error](err); ok {
		return e
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(w.what + " is not valid JSON: it ends too early")
	}
	return refuse(w.what + " is not valid JSON: " + err.Error())
}

// value reads the value at path. An error that is not a *task.Error is JSON's.
func (w *refWalk) value(s *refShape, path string) error {
	if s.kind == reflect.Map {
		wrong, err := s.read(w.dec)
		if err == nil && wrong != "" {
			return refuse(path + wrong)
		}
		return err
	}
	tok, err := refToken(w.dec)
	if err != nil {
		return err
	}
	switch s.kind {
	case reflect.Struct:
		if tok != json.Delim('{') {
			return refuse(w.name(path) + " must be an object")
		}
		return w.object(s, path)
	case reflect.Slice:
		if tok != json.Delim('[') {
			return refuse(w.name(path) + " must be an array")
		}
		return w.array(s, path)
	case reflect.String:
		text, ok := tok.(string)
		if !ok {
			return refuse(w.name(path) + " must be a string")
		}
		if s.least && text == "" {
			return refuse(path + " is empty; leave it out to say nothing")
		}
	case reflect.Bool:
		if _, ok := tok.(bool); !ok {
			return refuse(w.name(path) + " must be true or false")
		}
	default:
		return w.integer(s, tok, path)
	}
	return nil
}

func (w *refWalk) object(s *refShape, path string) error {
	var seen uint64
	err := refFields(w.dec, func(name string) error {
		i := s.find(name)
		if i < 0 {
			return s.unknown(name, path)
		}
		at := join(path, name)
		if seen&(1<<i) != 0 {
			return refuse(at + " is given twice")
		}
		seen |= 1 << i
		return w.value(s.fields[i].shape, at)
	})
	if err != nil {
		return err
	}
	for i, f := range s.fields {
		if f.required && seen&(1<<i) == 0 {
			return refuse(join(path, f.name) + " is missing")
		}
	}
	return nil
}

// refFields reads the rest of an object whose beginning was read. It calls f with each
// name, which reads the value, and ends with f's first error.
func refFields(dec *json.Decoder, f func(name string) error) error {
	for dec.More() {
		tok, err := refToken(dec)
		if err != nil {
			return err
		}
		name, _ := tok.(string) // a key is a string, or token has failed
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := refToken(dec)
	return err
}

// tooMany continues a sentence that begins with the array's name.
func refTooMany() string { return " has more than " + strconv.Itoa(MaxElements) + " elements" }

func (w *refWalk) array(s *refShape, path string) error {
	for i := 0; w.dec.More(); i++ {
		if i == MaxElements {
			return refuse(w.name(path) + refTooMany())
		}
		if err := w.value(s.elem, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	_, err := refToken(w.dec)
	return err
}

func (w *refWalk) integer(s *refShape, tok json.Token, path string) error {
	n, ok := tok.(json.Number)
	if !ok {
		return refuse(w.name(path) + " must be a whole number")
	}
	var err error
	switch s.kind {
	case reflect.Uint32:
		_, err = strconv.ParseUint(n.String(), 10, 32)
	case reflect.Uint64:
		_, err = strconv.ParseUint(n.String(), 10, 64)
	case reflect.Int64:
		_, err = strconv.ParseInt(n.String(), 10, 64)
	default:
		_, err = strconv.ParseInt(n.String(), 10, strconv.IntSize)
	}
	if err != nil {
		return refuse(fmt.Sprintf("%s must be a whole number in range, not %.40s", w.name(path), n))
	}
	if s.least && strings.Trim(n.String(), "-0") == "" {
		return refuse(path + " is 0; it is at least 1, and leaving it out means the default")
	}
	return nil
}

func (s *refShape) find(name string) int {
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (s *refShape) unknown(name, path string) error {
	at := join(path, name)
	if len(at) > 100 {
		at = strings.ToValidUTF8(at[:100], "") + "…"
	}
	for _, f := range s.fields {
		if strings.EqualFold(f.name, name) {
			return refuse("unknown field " + strconv.Quote(at) + "; did you mean " + strconv.Quote(f.name) + "?")
		}
	}
	return refuse("unknown field " + strconv.Quote(at))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// name is what refusals call the value at path.
func (w *refWalk) name(path string) string {
	if path == "" {
		return w.what
	}
	return path
}

// errRefused ends the reading of an object: the refusal says why.
var errRefused = errors.New("refused")

// refParameters reads one object of parameters. The refusal continues a
// sentence that begins with the object's name.
func refParameters(dec *json.Decoder) (list ParameterList, refusal string, err error) {
	tok, err := refToken(dec)
	if err != nil {
		return nil, "", err
	}
	if tok != json.Delim('{') {
		return nil, " must be an object", nil
	}
	list = ParameterList{}
	err = refFields(dec, func(name string) error {
		if len(list) == maxListed {
			refusal = fmt.Sprintf(" has more than %d entries", maxListed)
			return errRefused
		}
		tok, wrong := refToken(dec)
		if wrong != nil {
			return wrong
		}
		v, ok := refValue(tok)
		if !ok {
			refusal = "." + name + " must be a number, a string or a boolean"
			return errRefused
		}
		list = append(list, task.Parameter{Name: name, Value: v})
		return nil
	})
	switch {
	case refusal != "":
		return nil, refusal, nil
	case err != nil:
		return nil, "", err
	}
	slices.SortFunc(list, task.CompareParameters)
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, "." + list[i].Name + " is given twice", nil
		}
	}
	return list, "", nil
}

func refValue(tok json.Token) (task.Value, bool) {
	switch v := tok.(type) {
	case json.Number:
		return task.Value{Type: task.Number, Text: v.String()}, true
	case string:
		return task.Value{Type: task.String, Text: v}, true
	case bool:
		if v {
			return task.Value{Type: task.Boolean, Text: "true"}, true
		}
		return task.Value{Type: task.Boolean, Text: "false"}, true
	}
	return task.Value{}, false
}

// token is the decoder's next token, where the end of the input is an error.
func refToken(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, endsEarly(err)
	}
	return tok, nil
}

// refLabels reads one object of labels: parameters that are all strings. The
// refusal continues a sentence that begins with the object's name.
func refLabels(dec *json.Decoder) (LabelList, string, error) {
	dec.UseNumber()
	parameters, refusal, err := refParameters(dec)
	if err != nil || refusal != "" {
		return nil, refusal, err
	}
	list := make(LabelList, len(parameters))
	for i, p := range parameters {
		if p.Value.Type != task.String {
			return nil, "." + p.Name + " must be a string", nil
		}
		list[i] = task.Label{Name: p.Name, Value: p.Value.Text}
	}
	return list, "", nil
}

// refElements reads one array, which it bounds, and passes each value of it to f. The
// bytes are f's until it returns. The refusal continues a sentence that begins with
// the array's name.
func refElements(dec *json.Decoder, f func(element []byte)) (refusal string, err error) {
	tok, err := refToken(dec)
	if err != nil {
		return "", err
	}
	if tok != json.Delim('[') {
		return " must be an array", nil
	}
	var element json.RawMessage // one buffer for all
	for i := 0; dec.More(); i++ {
		if i == MaxElements {
			return refTooMany(), nil
		}
		if err := dec.Decode(&element); err != nil {
			return "", endsEarly(err)
		}
		f(element)
	}
	_, err = refToken(dec)
	return "", err
}

// The lists in which each element may be refused for itself.
type (
	refItems     []Element[BatchItem]
	refResults   []Element[Result]
	refBatchBody struct {
		Tasks refItems `json:"tasks"`
	}
	refReportBody struct {
		Slave       string     `json:"slave"`
		Incarnation string     `json:"incarnation"`
		Free        int        `json:"free,omitempty"`
		Slots       int        `json:"slots,omitempty"`
		Counter     uint64     `json:"counter,omitempty"`
		Results     refResults `json:"results"`
	}
)

func (l *refItems) UnmarshalJSON(data []byte) error {
	d := newReference[BatchItem]()
	d.what = "the task"
	*l = refItems{}
	_, err := refElements(json.NewDecoder(bytes.NewReader(data)), func(element []byte) {
		item, refusal := d.decode(element)
		if refusal != nil && len(refusal.Message) > maxRefusal {
			refusal = refuse(strings.ToValidUTF8(refusal.Message[:maxRefusal], "") + "…")
		}
		*l = append(*l, Element[BatchItem]{item, refusal})
	})
	return err
}

func (l *refResults) UnmarshalJSON(data []byte) error {
	d := newReference[Result]()
	d.what, d.replacing = "the result", true
	*l = refResults{}
	_, err := refElements(json.NewDecoder(bytes.NewReader(data)), func(element []byte) {
		r, refusal := d.decode(element)
		if refusal != nil {
			r = numbersOf(element)
		}
		*l = append(*l, Element[Result]{r, refusal})
	})
	return err
}

// FuzzDecodeAgainstReference: what one decoder refuses, the other refuses in the same
// words; what one reads, the other reads.
func FuzzDecodeAgainstReference(f *testing.F) {
	for _, body := range bodies() {
		f.Add([]byte(body))
	}
	agree := agreement()
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}

// TestADecoderIsAsStrictAsTheReference bends bodies that are right in every place.
func TestADecoderIsAsStrictAsTheReference(t *testing.T) {
	agree := agreement()
	bent := []string{"", " ", `"`, `\`, "{", "}", "[", "]", ",", ":", "0", "1", "-", ".", "e", "x", "'", "null", "true", "\x00", "\n", "\xff", "\u00a0", `\ud800`, `\u0065`, `{"a":1}`}
	for _, body := range bodies() {
		agree(t, []byte(body))
		for i := range len(body) {
			agree(t, []byte(body[:i]))
			for _, b := range bent {
				agree(t, []byte(body[:i]+b+body[i:]))
				agree(t, []byte(body[:i]+b+body[i+1:]))
			}
		}
	}
}

// agreement holds all decoders against the reference.
func agreement() func(*testing.T, []byte) {
	all := []func(*testing.T, []byte){
		sameAs[Submission](), sameAs[BatchItem](), sameAs[Registration](), sameAs[Report](), sameAs[Leave](), sameAs[Resize](), sameAs[JoinRequest](), sameParameters,
	}
	batch, refBatch := NewBatchDecoder(), newReference[refBatchBody]()
	refBatch.replacing = true
	report, refReport := NewReportDecoder(), newReference[refReportBody]()
	refReport.replacing, refReport.anyBytes = true, true
	return func(t *testing.T, body []byte) {
		t.Helper()
		for _, same := range all {
			same(t, body)
		}
		b, refusal := batch.Decode(body)
		rb, refRefusal := refBatch.decode(body)
		compare(t, body, b.Tasks, ItemList(rb.Tasks), refusal, refRefusal)
		r, refusal := report.Decode(body)
		rr, refRefusal := refReport.decode(body)
		compare(t, body, r, ReportBody{rr.Slave, rr.Incarnation, rr.Free, rr.Slots, rr.Counter, ResultList(rr.Results)}, refusal, refRefusal)
	}
}

func sameAs[T any]() func(*testing.T, []byte) {
	d, ref := NewDecoder[T](), newReference[T]()
	return func(t *testing.T, body []byte) {
		t.Helper()
		v, refusal := d.Decode(body)
		w, refRefusal := ref.decode(body)
		compare(t, body, v, w, refusal, refRefusal)
	}
}

func compare(t *testing.T, body []byte, got, want any, refusal, refRefusal *task.Error) {
	t.Helper()
	if message(refusal) != message(refRefusal) || refusal == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\n%+v, %v; as by the reference:\n%+v, %v", body, got, refusal, want, refRefusal)
	}
}

// message is what a refusal says. The reference has other words for one mistake.
func message(refusal *task.Error) string {
	if refusal == nil {
		return ""
	}
	said, comma := strings.CutSuffix(refusal.Message, "read JSON: expected comma after array element")
	if before, _, found := strings.Cut(said, "read JSON"); comma || found && strings.HasSuffix(said, " after array element") {
		return before
	}
	return said
}

// sameParameters is for what the models' json.Unmarshal calls.
func sameParameters(t *testing.T, body []byte) {
	t.Helper()
	if !json.Valid(body) {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	want, refusal, err := refParameters(dec)
	var got ParameterList
	if failed := got.UnmarshalJSON(body) != nil; failed != (refusal != "" || err != nil) || !failed && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\n%+v; as by the reference:\n%+v, %q, %v", body, got, want, refusal, err)
	}
	labels, refusal, err := refLabels(json.NewDecoder(bytes.NewReader(body)))
	var list LabelList
	if failed := list.UnmarshalJSON(body) != nil; failed != (refusal != "" || err != nil) || !failed && !reflect.DeepEqual(list, labels) {
		t.Fatalf("%q\n%+v; as by the reference:\n%+v, %q, %v", body, list, labels, refusal, err)
	}
}

// bodies are right, or nearly.
func bodies() []string {
	return []string{
		`{"expression":"2+3*x","parameters":{"x":4,"y":"s","z":true,"n":-1.5e+3},"kind":"k","max_tries":3,"timeout_ms":9,"retry_of":18446744073709551615,"priority":1,"when_full":"queue","not_before":"1s","deadline":"2s","retry":{"max_tries":2,"backoff":"1s"},"labels":{"a":"b"},"requires":{}}`,
		`{"tasks":[{"expression":"1","idempotency_key":"a"} , {"expression":"\ud83d\ude00\u00fc","parameters":{"b":2,"a":1}},{"expression":"\ud800"},7,[{"a":[]}]]}`,
		`{"slave":"s","incarnation":"i","free":1,"slots":2,"counter":3,"results":[{"id":1,"attempt":1,"outcome":"failed","error":"e\n","retryable":true,"result":"1","result_type":"number"},{"id":2,"attempt":1}]}`,
		`{"name":"s","url":"http://h","slots":1,"incarnation":"i","kinds":[{"name":"k","idempotent":false},{"name":"l","idempotent":true}],"labels":{"a":"b","c":"d"},"version":"v"}`,
		`{"id":"m","raft_address":"h:1","api_url":"http://h","commands":3,"replace":true}`,
		`{"incarnation":"i"}`, `{"slots":0}`, `{"x":1,"y":null}`, `{"a":"b","\u0061":"c"}`,
	}
}
