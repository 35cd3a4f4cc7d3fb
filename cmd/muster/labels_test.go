package main

import "testing"

func TestLabelsAreRead(t *testing.T) {
	f := submitFake(t, submitted8)
	for _, list := range [][]string{{"team"}, {"=x"}, {""}, {"a=1", "a=2"}} {
		for _, flag := range []string{"--label", "--require"} {
			args := []string{"submit", "1"}
			for _, label := range list {
				args = append(args, flag, label)
			}
			if o := f.muster(t, args...); o.code != exitUsage {
				t.Errorf("%q: exit %d, %s", args, o.code, o.stderr)
			}
		}
	}
	list, err := parseLabels("--label", []string{"b=", "a=x=y"})
	if got := labelText(list); err != nil || got != "a=x=y b=" {
		t.Errorf("%q, %v", got, err)
	}
}
