// Package baseurl holds the one grammar of the base URLs of masters and slaves:
// what is registered, advertised and configured is checked by it, and every
// request to another process is built from what it has parsed. A text that ends
// in "?" or "#" would otherwise turn the path that is appended into a query, and
// so choose which path is asked for.
package baseurl
