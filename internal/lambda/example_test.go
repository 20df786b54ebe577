package lambda_test

import (
	"os"
	"testing"

	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
)

// TestExample runs examples/lambda-durable as its README does.
func TestExample(t *testing.T) {
	t.Parallel()
	dir := task(t)
	if err := os.CopyFS(dir, os.DirFS("../../examples/lambda-durable")); err != nil {
		t.Fatal(err)
	}
	var list []execution.Function
	for _, name := range []string{"order", "price"} {
		list = append(list, execution.Function{Durable: name == "order", Function: runtimeapi.Function{Name: name, Dir: dir, Handler: name + ".handler"}})
	}
	r := startWith(t, list)
	for _, c := range []struct{ in, want string }{
		{`{"id":"1","items":["lamp","book"],"to":"Ann"}`, `{"id":"1","status":"sent","total":5500,"payment":"payment-1-5500","parcel":"parcel-1"}`},
		{`{"id":"3","items":["lamp"],"to":"the moon"}`, `{"id":"3","status":"refunded","total":4000,"payment":"payment-3-4000","why":"nobody delivers to the moon"}`},
	} {
		_, got := r.invoke("order", c.in)
		same(t, c.in, got, c.want)
	}
}
