package docs_test

import (
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

// What docs/comparison.md shows: a chain of functions and callbacks.

var (
	outer         = situ.NewFunc[string, string]("my_func")
	outerCallback = situ.NewFunc[situ.Reply[string, string], string]("my_func_callback")
	getRow        = situ.NewFunc[string, string]("get_from_db")
	rowCallback   = situ.NewFunc[situ.Reply[string, string], string]("db_callback")
	tableType     = situ.NewType("table")
	row           = situ.NewMethod[string, string](tableType, "row")
)

// MyFunc asks, and ends. Nothing of it runs, or is paid for, until the answer is there.
func MyFunc(t *situ.Turn, id string) (string, error) {
	return situ.Then(t, getRow.With(id), outerCallback, id)
}

// GetFromDB has a chain of its own, however long. Its caller does not know.
func GetFromDB(t *situ.Turn, id string) (string, error) {
	return situ.Then(t, row.To("customers", id), rowCallback, id)
}

// DBCallback finishes what get_from_db promised.
func DBCallback(_ *situ.Turn, r situ.Reply[string, string]) (string, error) {
	return "row " + r.Value, r.Err()
}

// MyFuncCallback runs when all that is done, and answers the first caller.
func MyFuncCallback(_ *situ.Turn, r situ.Reply[string, string]) (string, error) {
	return "done with " + r.Value, r.Err()
}

func TestChainOfCallbacks(t *testing.T) {
	components := []situ.Component{
		situ.Function(outer, MyFunc), situ.Function(outerCallback, MyFuncCallback),
		situ.Function(getRow, GetFromDB), situ.Function(rowCallback, DBCallback),
		situ.Object(tableType, situ.On(row, func(_ *struct{}, _ *situ.Turn, id string) (string, error) { return id, nil })),
	}
	situtest.Run(t, components, func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, outer.With("7")); got != "done with row 7" {
			t.Errorf("%q", got)
		}
		const want = "my_func\nget_from_db\ntable/customers.row\ndb_callback\nmy_func_callback"
		if got := rt.Trace(); got != want {
			t.Errorf("ran\n%s\nwant\n%s", got, want)
		}
	})
}
