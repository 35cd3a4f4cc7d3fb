package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// cursor reads a JSON text from front to back, by hand: a body is read once, and what
// is read of it is what is kept. What is wrong with the text is said in the words of
// encoding/json, which reads the place again.
type cursor struct {
	body []byte
	at   int // of what comes next
}

// Where a character is wrong, as encoding/json has it.
const (
	forValue     = " looking for beginning of value"
	forName      = " looking for beginning of object key string"
	afterName    = " after object key"
	afterMember  = " after object key:value pair"
	afterElement = " after array element"
)

// peek skips white space and returns what follows it, 0 at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.body); c.at++ {
		if b := c.body[c.at]; b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b
		}
	}
	return 0
}

// take takes one byte if it follows the white space.
func (c *cursor) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.at++
	return true
}

// quoted reads a string, of which the quote was seen, and returns it as it stands in
// the text and whether that is what it means.
func (c *cursor) quoted() (inside []byte, plain bool, err error) {
	begin, plain, ascii := c.at+1, true, true
	for i := begin; i < len(c.body); i++ {
		switch b := c.body[i]; {
		case b == '"':
			c.at = i + 1
			inside = c.body[begin:i]
			return inside, plain && (ascii || utf8.Valid(inside)), nil
		case b == '\\':
			plain = false
			i++
		case b < ' ':
			return nil, false, c.malformed()
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, c.malformed()
}

// name reads the name of a member, up to its colon. It is valid until the next call.
func (c *cursor) name() ([]byte, error) {
	begin := c.at
	inside, plain, err := c.quoted()
	if plain || err != nil {
		return inside, err
	}
	s, err := c.unquote(begin)
	return []byte(s), err
}

// string reads a string, of which the quote was seen.
func (c *cursor) string() (string, error) {
	begin := c.at
	inside, plain, err := c.quoted()
	if plain || err != nil {
		return string(inside), err
	}
	return c.unquote(begin)
}

// word reads a string, of which the quote was seen. One of those that are known is not
// made again.
func (c *cursor) word(known []string) (string, error) {
	for _, k := range known {
		end := c.at + 1 + len(k)
		if end < len(c.body) && c.body[end] == '"' && string(c.body[c.at+1:end]) == k {
			c.at = end + 1
			return k, nil
		}
	}
	return c.string()
}

// unquote reads a string again that has escapes or is not UTF-8.
func (c *cursor) unquote(begin int) (s string, err error) {
	if json.Unmarshal(c.body[begin:c.at], &s) != nil {
		c.at = begin
		return "", c.malformed()
	}
	return s, nil
}

// number reads a number, of which the first character was seen.
func (c *cursor) number() ([]byte, error) {
	end := endOfNumber(c.body, c.at)
	if end < 0 {
		return nil, c.malformed()
	}
	n := c.body[c.at:end]
	c.at = end
	return n, nil
}

// endOfNumber returns where the JSON number ends that begins at a place, or -1.
func endOfNumber[T string | []byte](text T, at int) int {
	next := func(a, b byte) bool {
		found := at < len(text) && (text[at] == a || text[at] == b)
		if found {
			at++
		}
		return found
	}
	digits := func() bool {
		first := at
		for at < len(text) && isDigit(text[at]) {
			at++
		}
		return at > first
	}
	next('-', '-')
	right := next('0', '0') || digits()
	if right && next('.', '.') {
		right = digits()
	}
	if right && next('e', 'E') {
		next('+', '-')
		right = digits()
	}
	if !right {
		return -1
	}
	return at
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// literal reads true, false or null, of which the first character was seen.
func (c *cursor) literal(word string) error {
	if !bytes.HasPrefix(c.body[c.at:], []byte(word)) {
		return c.malformed()
	}
	c.at += len(word)
	return nil
}

// other reads past the beginning of a value that is not of the kind that was wanted:
// that it is none at all would be said first.
func (c *cursor) other() (err error) {
	switch b := c.peek(); {
	case b == '{' || b == '[':
	case b == '"':
		_, err = c.string()
	case b == '-' || isDigit(b):
		_, err = c.number()
	case b == 't':
		err = c.literal("true")
	case b == 'f':
		err = c.literal("false")
	case b == 'n':
		err = c.literal("null")
	default:
		err = c.unexpected(forValue)
	}
	return err
}

// members reads the rest of an object whose beginning was read. It calls f with each
// name, and f reads the value.
func (c *cursor) members(f func(name []byte) error) error {
	if c.take('}') {
		return nil
	}
	for where := ""; ; where = forName {
		if c.peek() != '"' {
			return c.unexpected(where)
		}
		name, err := c.name()
		if err != nil {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
		if c.take('}') {
			return nil
		}
		if !c.take(',') {
			return c.unexpected(afterMember)
		}
	}
}

// colon reads what stands between a name and its value.
func (c *cursor) colon() error {
	if !c.take(':') {
		return c.unexpected(afterName)
	}
	return nil
}

// elements reads the rest of an array whose beginning was read. It calls f with the
// number of each element, and f reads it.
func (c *cursor) elements(f func(i int) error) error {
	if c.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := f(i); err != nil {
			return err
		}
		if c.take(']') {
			return nil
		}
		if c.peek() != ',' {
			return c.unexpected(afterElement)
		}
		c.at++
	}
}

// malformed is the error of a string, a number or a word that is none, and begins
// here or just before.
func (c *cursor) malformed() error {
	var v any
	err := json.NewDecoder(bytes.NewReader(c.body[c.at:])).Decode(&v)
	if err == nil { // it is beyond this cursor, so it is refused
		err = errors.New("it can't be read")
	}
	return endsEarly(err)
}

// unexpected is the error of the character that comes next.
func (c *cursor) unexpected(where string) error {
	if c.peek(); c.at == len(c.body) {
		return endsEarly(io.EOF)
	}
	shown := strconv.Quote(string(rune(c.body[c.at])))
	switch c.body[c.at] {
	case '\'':
		shown = `"\'"`
	case '"':
		shown = `"""`
	}
	return fmt.Errorf("read JSON: invalid character '%s'%s", shown[1:len(shown)-1], where)
}

// endsEarly is the error of reading JSON of which more was to come.
func endsEarly(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read JSON: %w", err)
}
