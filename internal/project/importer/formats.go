package importer

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

var notName = regexp.MustCompile(`[^a-z0-9_.-]+`)

// asName makes the name of a deployment of one of elsewhere: OrderPrice is
// order-price.
func asName(s string) string {
	s = regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(s, "$1-$2")
	return strings.Trim(notName.ReplaceAllString(strings.ToLower(s), "-"), "-_.")
}

func seconds(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + "s"
}

func mebibytes(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + "MiB"
}

// sam reads a template of the AWS Serverless Application Model.
func sam(r *reader, top *yaml.Node) {
	for _, k := range []string{"AWSTemplateFormatVersion", "Transform", "Description", "Outputs"} {
		if n := at(top, k); n != nil {
			r.use(n)
		}
	}
	global := at(top, "Globals", "Function")
	each(at(top, "Resources"), func(key, res *yaml.Node) {
		if typ := at(res, "Type"); typ == nil || typ.Value != "AWS::Serverless::Function" {
			return
		}
		r.use(at(res, "Type"))
		p, props := "Resources."+key.Value+".Properties", at(res, "Properties")
		f := file{Name: asName(key.Value)}
		if n := r.text(at(props, "FunctionName"), p+".FunctionName"); n != "" {
			f.Name = asName(n)
		}
		dir := "."
		for _, from := range []struct {
			n *yaml.Node
			p string
		}{{global, "Globals.Function"}, {props, p}} {
			if uri := r.text(at(from.n, "CodeUri"), from.p+".CodeUri"); uri != "" {
				dir = dirOf(uri)
			}
			r.samFunction(from.n, from.p, &f)
		}
		r.files = append(r.files, placed{dir, f})
	})
}

// samFunction reads the properties of a function, or those of all.
func (r *reader) samFunction(n *yaml.Node, p string, f *file) {
	r.runtime(at(n, "Runtime"), p+".Runtime", f)
	if h := r.text(at(n, "Handler"), p+".Handler"); h != "" && f.Kind != "lambda" {
		f.Handler = h
	}
	r.vars(at(n, "Environment", "Variables"), p+".Environment.Variables", f)
	memory, timeout := r.number(at(n, "MemorySize"), p+".MemorySize"), r.number(at(n, "Timeout"), p+".Timeout")
	most := r.number(at(n, "ReservedConcurrentExecutions"), p+".ReservedConcurrentExecutions")
	age := r.number(at(n, "EventInvokeConfig", "MaximumEventAgeInSeconds"), p+".EventInvokeConfig.MaximumEventAgeInSeconds")
	text := r.text(at(n, "Description"), p+".Description")
	f.fn(func(fn *function) {
		fn.Timeout, fn.MaxAge, fn.Description = or(seconds(timeout), fn.Timeout), or(seconds(age), fn.MaxAge), or(text, fn.Description)
		if most > 0 {
			fn.Concurrency = most
		}
		if tries := at(n, "EventInvokeConfig", "MaximumRetryAttempts"); tries != nil {
			v := r.number(tries, p+".EventInvokeConfig.MaximumRetryAttempts")
			fn.Retries = &v
		}
	})
	f.limit(func(l *limits) { l.Memory = or(mebibytes(memory), l.Memory) })
	each(at(n, "Events"), func(key, e *yaml.Node) {
		typ := at(e, "Type")
		at2 := p + ".Events." + key.Value
		switch {
		case typ == nil:
		case typ.Value == "Schedule":
			r.use(typ)
			r.aws(at(e, "Properties", "Schedule"), at2+".Properties.Schedule", asName(key.Value), f)
		case typ.Value == "Api" || typ.Value == "HttpApi":
			r.leave(e, at2, "every function is called by POST /v1/functions/%s: there are no paths of one's own", f.Name)
		default:
			r.leave(e, at2, "there is no trigger of type %s", typ.Value)
		}
	})
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// serverless reads a serverless.yml.
func serverless(r *reader, top *yaml.Node) {
	service := r.text(at(top, "service"), "service")
	for _, k := range []string{"frameworkVersion", "app", "org"} {
		if n := at(top, k); n != nil {
			r.use(n)
		}
	}
	provider := at(top, "provider")
	if n := at(provider, "name"); n != nil {
		r.use(n)
	}
	each(at(top, "functions"), func(key, n *yaml.Node) {
		f := file{Name: asName(or(service, "x") + "-" + key.Value)}
		p := "functions." + key.Value
		if name := r.text(at(n, "name"), p+".name"); name != "" {
			f.Name = asName(name)
		}
		dir := "."
		r.serverlessFunction(provider, "provider", &f)
		r.serverlessFunction(n, p, &f)
		// Its handlers have their directory in them.
		if d := path.Dir(f.Handler); f.Handler != "" && d != "." {
			dir, f.Handler = dirOf(d), path.Base(f.Handler)
		}
		if f.Kind == "lambda" {
			f.Handler = ""
		}
		events := at(n, "events")
		for i := 0; events != nil && i < len(events.Content); i++ {
			r.serverlessEvent(events.Content[i], p+".events["+strconv.Itoa(i)+"]", "schedule-"+strconv.Itoa(i+1), &f)
		}
		if events != nil {
			r.used[events] = true
		}
		r.files = append(r.files, placed{dir, f})
	})
}

func (r *reader) serverlessFunction(n *yaml.Node, p string, f *file) {
	r.runtime(at(n, "runtime"), p+".runtime", f)
	f.Handler = or(r.text(at(n, "handler"), p+".handler"), f.Handler)
	r.vars(at(n, "environment"), p+".environment", f)
	memory, timeout := r.number(at(n, "memorySize"), p+".memorySize"), r.number(at(n, "timeout"), p+".timeout")
	most, text := r.number(at(n, "reservedConcurrency"), p+".reservedConcurrency"), r.text(at(n, "description"), p+".description")
	f.fn(func(fn *function) {
		fn.Timeout, fn.Description = or(seconds(timeout), fn.Timeout), or(text, fn.Description)
		if most > 0 {
			fn.Concurrency = most
		}
		if tries := at(n, "maximumRetryAttempts"); tries != nil {
			v := r.number(tries, p+".maximumRetryAttempts")
			fn.Retries = &v
		}
	})
	f.limit(func(l *limits) { l.Memory = or(mebibytes(memory), l.Memory) })
}

func (r *reader) serverlessEvent(e *yaml.Node, p, name string, f *file) {
	s := at(e, "schedule")
	switch {
	case s != nil && s.Kind == yaml.ScalarNode:
		r.aws(s, p+".schedule", name, f)
	case at(s, "rate") != nil && at(s, "rate").Kind == yaml.ScalarNode:
		r.aws(at(s, "rate"), p+".schedule.rate", name, f)
		r.rest(s, p+".schedule")
	case at(e, "http") != nil || at(e, "httpApi") != nil:
		r.leave(e, p, "every function is called by POST /v1/functions/%s: there are no paths of one's own", f.Name)
	default:
		r.leave(e, p, "there is no such trigger")
	}
}

// nuclio reads a function.yaml of nuclio.
func nuclio(r *reader, top *yaml.Node) {
	spec := at(top, "spec")
	if spec == nil {
		return
	}
	for _, k := range []string{"apiVersion", "kind"} {
		if n := at(top, k); n != nil {
			r.use(n)
		}
	}
	f := file{Name: asName(or(r.text(at(top, "metadata", "name"), "metadata.name"), "function"))}
	runtime := at(spec, "runtime")
	switch s := r.text(runtime, "spec.runtime"); {
	case strings.HasPrefix(s, "python"), strings.HasPrefix(s, "nodejs"):
		r.runtime(runtime, "spec.runtime", &f)
		r.leave(runtime, "spec.runtime", "handlers there are called with (context, event), and here with (event, context), which is JSON: change the handler")
	case runtime != nil:
		r.leave(runtime, "spec.runtime", "a handler for nuclio in %s does not run as it is: make it a program that calls situ.Main, or one for AWS Lambda", s)
		f.Kind = map[bool]string{true: "go"}[strings.HasPrefix(s, "golang")]
	}
	if h := r.text(at(spec, "handler"), "spec.handler"); h != "" && f.Kind != "go" {
		f.Handler = strings.Replace(h, ":", ".", 1)
	}
	env := at(spec, "env")
	for i := 0; env != nil && i < len(env.Content); i++ {
		e, p := env.Content[i], "spec.env["+strconv.Itoa(i)+"]"
		if name, value := at(e, "name"), at(e, "value"); name != nil && value != nil {
			f.env(name.Value, r.text(value, p+".value"))
		} else {
			r.leave(e, p, "it is no plain value: put it under secrets")
		}
	}
	if env != nil {
		r.used[env] = true
	}
	r.nuclioLimits(spec, &f)
	each(at(spec, "triggers"), func(key, t *yaml.Node) { r.nuclioTrigger(t, "spec.triggers."+key.Value, asName(key.Value), &f) })
	r.files = append(r.files, placed{".", f})
}

func (r *reader) nuclioLimits(spec *yaml.Node, f *file) {
	text := r.text(at(spec, "description"), "spec.description")
	timeout := r.number(at(spec, "eventTimeout"), "spec.eventTimeout")
	f.fn(func(fn *function) { fn.Description, fn.Timeout = text, seconds(timeout) })
	if f.Kind == "go" {
		f.Functions = nil // which functions it has, it says itself
	}
	res := at(spec, "resources", "limits")
	memory, cpu := r.text(at(res, "memory"), "spec.resources.limits.memory"), r.text(at(res, "cpu"), "spec.resources.limits.cpu")
	f.limit(func(l *limits) {
		for short, long := range map[string]string{"Ki": "KiB", "Mi": "MiB", "Gi": "GiB", "M": "MB", "G": "GB"} {
			if num, ok := strings.CutSuffix(memory, short); ok {
				l.Memory = num + long
			}
		}
		if milli, ok := strings.CutSuffix(cpu, "m"); ok {
			if v, err := strconv.ParseFloat(milli, 64); err == nil {
				l.CPU = v / 1000
			}
		} else if v, err := strconv.ParseFloat(cpu, 64); err == nil {
			l.CPU = v
		}
		l.MinWorkers, l.Workers = r.number(at(spec, "minReplicas"), "spec.minReplicas"), r.number(at(spec, "maxReplicas"), "spec.maxReplicas")
	})
}

func (r *reader) nuclioTrigger(t *yaml.Node, p, name string, f *file) {
	kind := at(t, "kind")
	switch {
	case kind == nil:
	case kind.Value == "cron":
		r.use(kind)
		if s := r.text(at(t, "attributes", "schedule"), p+".attributes.schedule"); s != "" {
			f.schedule(name, schedule{Cron: s})
		} else if s := r.text(at(t, "attributes", "interval"), p+".attributes.interval"); s != "" {
			f.schedule(name, schedule{Every: s})
		}
	case kind.Value == "http":
		r.use(kind)
		n := max(r.number(at(t, "maxWorkers"), p+".maxWorkers"), r.number(at(t, "numWorkers"), p+".numWorkers"))
		if f.Kind != "go" {
			f.fn(func(fn *function) { fn.Concurrency = n })
		}
	default:
		r.leave(t, p, "there is no trigger of kind %s", kind.Value)
	}
}
