package fsm

import (
	"reflect"
	"testing"

	"muster/task"
)

// filled returns a value whose every field, at any depth, is set, and to
// something that no other field has. A field that somebody adds is filled too:
// a conversion that forgets it fails its test.
func filled[T any](t *testing.T) T {
	t.Helper()
	var x T
	f := filler{t: t}
	f.fill(reflect.ValueOf(&x).Elem())
	return x
}

type filler struct {
	t *testing.T
	n int // the last value given
}

// highest has the types that are enumerations, with their highest value.
var highest = map[reflect.Type]int{
	reflect.TypeFor[task.Status]():     int(task.Done),
	reflect.TypeFor[task.Outcome]():    int(task.Lost),
	reflect.TypeFor[task.ValueType]():  int(task.Boolean),
	reflect.TypeFor[task.SlaveState](): int(task.SlaveLeft),
	reflect.TypeFor[task.Role]():       int(task.Joining),
	reflect.TypeFor[task.Priority]():   int(task.MaxPriority),
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.String:
		v.SetString("text " + string(rune('A'+f.n)) + "\xff") // not UTF-8, which must survive
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(1000 + f.n))
	case reflect.Uint8:
		top, ok := highest[v.Type()]
		if !ok {
			f.t.Fatalf("%s looks like an enumeration: add it to highest", v.Type())
		}
		v.SetUint(uint64(1 + f.n%top))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1000 + f.n))
	default:
		f.t.Fatalf("the test does not know how to fill a %s", v.Type())
	}
}

// eachField calls the function once for every settable leaf of a struct, at any
// depth, with its path; slices are entered.
func eachField(v reflect.Value, path string, yield func(path string, leaf reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for field, value := range v.Fields() {
			eachField(value, path+"."+field.Name, yield)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachField(v.Index(i), path+"[]", yield)
		}
	default:
		yield(path, v)
	}
}

// alter changes a leaf to another value.
func alter(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "!")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		v.SetUint(v.Uint() - 1)
	}
}
