package ingress

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress/shown"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// Sizes of pages.
const (
	defaultPage = 100
	maxPage     = 1000
)

// objectID checks the first two parameters.
func (x *exchange) objectID() (wire.ObjectID, error) {
	id := wire.ObjectID{Type: x.args[0], Key: x.args[1]}
	if err := wire.CheckName("type", id.Type); err != nil {
		return id, err
	}
	return id, wire.CheckKey(id.Key)
}

func (x *exchange) object() error {
	id, err := x.objectID()
	if err != nil {
		return err
	}
	st, info, err := x.h.p.Objects.Object(x.c, id)
	if err != nil {
		return x.noObject(id, err)
	}
	o := objectLine(info)
	o.Type, o.Key = id.Type, id.Key
	if o.State, err = view.State(st); err != nil {
		return fault.Wrap(fault.Corrupt, "show state of", id.String(), err)
	}
	return x.json(200, o)
}

// noObject says more about an object that is not there.
func (x *exchange) noObject(id wire.ObjectID, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if c := x.h.catalogue(); c.complete() && c.types[id.Type] == nil {
		return absent("there is no object type", id.Type, c.typeNames)
	}
	return &refusal{kind: fault.NotFound, detail: "there is no object " + id.String() + "; objects are created by the first call that writes"}
}

func (x *exchange) deleteObject() error {
	id, err := x.objectID()
	if err != nil {
		return err
	}
	if err := x.h.p.Objects.Delete(x.c, id); err != nil {
		return x.noObject(id, err)
	}
	return x.nothing()
}

func objectLine(i wire.ObjectInfo) api.Object {
	return api.Object{Type: i.ID.Type, Key: i.ID.Key, Size: i.Size, Modified: shown.Instant(i.Modified)}
}

func (x *exchange) listObjects() error {
	typ := x.args[0]
	if err := wire.CheckName("type", typ); err != nil {
		return err
	}
	q, err := x.query("prefix", "limit", "cursor")
	if err != nil {
		return err
	}
	limit, err := pageSize(q)
	if err != nil {
		return err
	}
	infos, next, err := x.h.p.Objects.List(x.c, typ, q.Get("prefix"), q.Get("cursor"), limit)
	if err != nil {
		return err
	}
	if c := x.h.catalogue(); len(infos) == 0 && c.complete() && c.types[typ] == nil {
		return absent("there is no object type", typ, c.typeNames)
	}
	page := api.Objects{Objects: make([]api.Object, len(infos)), Next: next}
	for i, info := range infos {
		page.Objects[i] = objectLine(info)
	}
	return x.json(200, page)
}

// query reads the query; only known parameters are taken, each once.
func (x *exchange) query(known ...string) (url.Values, error) {
	q, err := url.ParseQuery(x.head.Query)
	if err != nil {
		return nil, malformed("the query is malformed: %v", err)
	}
	for name, v := range q {
		if !slices.Contains(known, name) {
			return nil, malformed("there is no query parameter %q; there is %s", name, strings.Join(known, ", "))
		}
		if len(v) > 1 {
			return nil, malformed("the query parameter %s is there %d times", name, len(v))
		}
	}
	return q, nil
}

func pageSize(q url.Values) (int, error) {
	s := q.Get("limit")
	if s == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage {
		return 0, malformed("limit=%s is not a number from 1 to %d", s, maxPage)
	}
	return n, nil
}

// all reports whether the query asks for what is the platform's own, too.
func (x *exchange) all() (bool, error) {
	q, err := x.query("all")
	if err != nil || !q.Has("all") {
		return false, err
	}
	all, err := strconv.ParseBool(q.Get("all"))
	if err != nil {
		return false, malformed("all=%s is neither true nor false", q.Get("all"))
	}
	return all, nil
}

func (x *exchange) listTypes() error {
	all, err := x.all()
	if err != nil {
		return err
	}
	types := []api.Type{}
	for _, t := range x.h.catalogue().listTypes {
		if all || !host.Reserved(t.Name) {
			types = append(types, t)
		}
	}
	return x.json(200, api.Types{Types: types})
}

func (x *exchange) listFunctions() error {
	all, err := x.all()
	if err != nil {
		return err
	}
	funcs := []api.Operation{}
	for _, f := range x.h.catalogue().listFuncs {
		if all || !host.Reserved(f.Name) {
			funcs = append(funcs, f)
		}
	}
	return x.json(200, api.Functions{Functions: funcs})
}

func (x *exchange) describe() error {
	all, err := x.all()
	if err != nil {
		return err
	}
	c := x.h.catalogue()
	m := c.public
	if all {
		m = c.manifest
	}
	if m == nil {
		m = new(host.Manifest)
	}
	return x.json(200, m)
}

func (x *exchange) status() error {
	s, err := x.h.p.Monitor.Status(x.c)
	if err != nil {
		return err
	}
	return x.json(200, s)
}

func (x *exchange) health() error {
	if m, ok := x.h.p.Monitor.(Healthy); ok {
		if err := m.Healthy(); err != nil {
			return err
		}
	}
	return x.json(200, api.Health{Status: "ok"})
}
