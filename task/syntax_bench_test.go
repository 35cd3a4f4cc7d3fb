package task

import "testing"

// BenchmarkCheckExpression checks what a master checks of every submit.
func BenchmarkCheckExpression(b *testing.B) {
	for name, expression := range map[string]string{"short": "12345 + 67890 * 2", "long": "(a + b*3.5 - c**2) / 7 > 10 && name == 'x' ? min(a, b, 4) : a ?? 1"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := CheckExpression(expression, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
