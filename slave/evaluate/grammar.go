package evaluate

import (
	"fmt"
	"strconv"
	"strings"

	"muster/task"
)

// writer writes what the library gets for an expression that task.ParseExpression
// has read. The library's own parser is too lenient to be asked alone: it drops the
// rest of "(2) 3" and of "1 : 2" without a word, and groups "a ? b : c ? d : e" from
// the left. Its precedence and grouping of what is passed through as it stands
// (logic, comparison, arithmetic) are those of package task; a test compares them.
type writer struct {
	text     strings.Builder
	literals []string
	err      error // the first thing that can't be written
}

func (w *writer) put(s string) { w.text.WriteString(s) }

func (w *writer) write(e task.Expr) {
	switch e.Kind {
	case task.ExprNumber:
		w.put(e.Token.Text)
	case task.ExprString:
		w.put("[" + literalPrefix + strconv.Itoa(len(w.literals)) + "]")
		w.literals = append(w.literals, e.Token.Text)
	case task.ExprName:
		w.name(e)
	case task.ExprCall:
		w.call(e)
	case task.ExprGroup:
		w.list("( ", e.Args, "")
	case task.ExprPrefix:
		if name := operatorCalls[e.Token.Text]; name != "" {
			w.list(name+" ( ", e.Args, "")
			return
		}
		w.put(e.Token.Text + " ")
		w.write(e.Args[0])
	case task.ExprBinary:
		if name := operatorCalls[e.Token.Text]; name != "" {
			w.list(name+" ( ", e.Args, " , ")
			return
		}
		w.write(e.Args[0])
		w.put(" " + e.Token.Text + " ")
		w.write(e.Args[1])
	case task.ExprFallback:
		w.list("( ", e.Args, " ?? ")
	case task.ExprChoice:
		w.put("( ( ")
		w.write(e.Args[0])
		w.put(" ) ? ( ")
		w.write(e.Args[1])
		w.put(" ) : ( ")
		w.write(e.Args[2])
		w.put(" ) )")
	}
}

// list writes parts with something between them, and closes a parenthesis.
func (w *writer) list(open string, parts []task.Expr, between string) {
	w.put(open)
	for i, part := range parts {
		if i > 0 {
			w.put(between)
		}
		w.write(part)
	}
	w.put(" )")
}

func (w *writer) name(e task.Expr) {
	switch name := e.Token.Text; {
	case name == "true" || name == "false":
		w.put(name)
	case e.Optional:
		w.put("[" + optionalPrefix + name + "]")
	default:
		w.put("[" + name + "]")
	}
}

func (w *writer) call(e task.Expr) {
	function := e.Token
	if _, ok := functions[function.Text]; !ok && w.err == nil {
		w.err = fmt.Errorf("there is no function %q (at byte %d)", function.Text, function.At)
	}
	open := function.Text + " ( [" + callParameter + "] "
	if len(e.Args) > 0 {
		open += ", "
	}
	w.list(open, e.Args, " , ")
}
