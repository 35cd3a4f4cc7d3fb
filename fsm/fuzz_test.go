package fsm

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"

	"muster/task"
)

// FuzzDecode: no entry makes Decode or Apply panic, and what was understood once
// survives being written again.
func FuzzDecode(f *testing.F) {
	for _, e := range readLog(f, "testdata/v1/commands.log") {
		f.Add(e.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		envelope, err := Decode(data)
		if generated, refused := decode(data); (err == nil) != (refused == nil) || !reflect.DeepEqual(envelope, generated) {
			t.Fatalf("the two decoders differ\n     got %+v, %v\nand also %+v, %v", envelope, err, generated, refused)
		}
		if err != nil {
			return
		}
		again, err := Encode(envelope)
		if err != nil {
			t.Fatalf("decoded and can't be encoded: %v", err)
		}
		if generated, err := encodeGenerated(envelope); err != nil || !bytes.Equal(again, generated) {
			t.Fatalf("it is written as %x, by generated code as %x, %v", again, generated, err)
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("encoded and can't be decoded: %v", err)
		}
		if !reflect.DeepEqual(back, envelope) {
			t.Fatalf("it came back changed\n got %+v\nwant %+v", back, envelope)
		}
		one, other := New(), New()
		outcomes := one.Apply(1, envelope.Term, envelope)
		if !reflect.DeepEqual(other.Apply(1, back.Term, back), outcomes) {
			t.Fatal("the same entry had different outcomes")
		}
		if one.View().Fingerprint() != other.View().Fingerprint() {
			t.Fatal("the same entry made different states")
		}
	})
}

// FuzzLoad: no snapshot makes Load panic, not even one with a right checksum, and
// what was loaded can be read, listed, and saved again.
func FuzzLoad(f *testing.F) {
	for _, b := range [][]byte{readFile(f, "testdata/v1/commands.snapshot"), saved(f, small(f).state.View()), saved(f, New().View())} {
		f.Add(b[:len(b)-crc32.Size])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s := New()
		if s.Load(bytes.NewReader(content)) == nil {
			t.Fatal("loaded without a checksum")
		}
		snapshot := binary.BigEndian.AppendUint32(bytes.Clone(content), crc32.Checksum(content, castagnoli()))
		if err := s.Load(bytes.NewReader(snapshot)); err != nil {
			return
		}
		v := s.View()
		v.List(task.Query{Descending: true, Limit: task.MaxPage})
		again := New()
		if err := again.Load(bytes.NewReader(saved(t, v))); err != nil {
			t.Fatalf("saved and can't be loaded: %v", err)
		}
		if again.View().Fingerprint() != v.Fingerprint() {
			t.Fatal("it came back changed")
		}
	})
}
