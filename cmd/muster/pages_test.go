package main

import (
	"fmt"
	"net/http"
	"strings"
)

// breaks takes a call and is gone.
type breaks struct{}

func (breaks) ServeHTTP(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// pages are three pages of a task each.
type pages struct{}

func (pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := map[string]string{"": `"next":"a",`, "a": `"next":"b",`, "b": ""}[r.URL.Query().Get("cursor")]
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"tasks":[%s],%s"counts":{"submitted":3,"pending":0,"in_progress":0,"done":3}}`, strings.ReplaceAll(taskDone, "$", ""), next)
}
