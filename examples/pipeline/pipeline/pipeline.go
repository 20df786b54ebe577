// Package pipeline is the code of the example: a fan-out to a function for each
// document, a bound on how many run at a time, and what is done with those that fail.
package pipeline

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/pipeline/corpus"
	"github.com/situ-dev/situ/fan"
)

// merge goes on when all lexicons have answered.
var merge = situ.NewFunc[situ.Reply[fan.Results[[]corpus.Entry], int], []corpus.Entry]("top-merge")

// Components returns what the example hosts.
func Components() []situ.Component {
	return []situ.Component{
		situ.Function(corpus.Pipeline, run),
		situ.Function(corpus.Words, words),
		situ.Function(corpus.Top, top),
		situ.Function(merge, merged),
		fan.Component(),
		fan.Host(corpus.Build, plan()),
		situ.Object(corpus.Lexicon,
			situ.On(corpus.Put, (*Lexicon).Put),
			situ.On(corpus.Find, (*Lexicon).Find),
			situ.On(corpus.Most, (*Lexicon).Most)),
	}
}

// run finds the documents, and hands its caller over to the index.
func run(t *situ.Turn, s corpus.Source) (corpus.Summary, error) {
	docs, err := s.List()
	if err != nil {
		return corpus.Summary{}, err
	}
	return situ.Tail(t, corpus.Build.To("all", docs))
}

// plan has each document read, 64 at a time. One that cannot be read is counted, and
// the first few are named.
func plan() fan.Plan[[]corpus.Document, int, corpus.Summary, corpus.Summary] {
	return fan.Plan[[]corpus.Document, int, corpus.Summary, corpus.Summary]{
		Limit: 64,
		Calls: func(docs []corpus.Document, from int) iter.Seq[situ.Call[int]] {
			return func(yield func(situ.Call[int]) bool) {
				for _, d := range docs[from:] {
					if !yield(corpus.Words.With(d)) {
						return
					}
				}
			}
		},
		Fold: func(s *corpus.Summary, r fan.Result[int]) error {
			if r.Err != nil {
				if s.Failed++; len(s.Why) < 5 {
					s.Why = append(s.Why, r.Err.Error())
				}
				return nil
			}
			s.Documents++
			s.Words += r.Value
			return nil
		},
		Done: func(s *corpus.Summary, _ fan.Progress) (corpus.Summary, error) {
			slices.Sort(s.Why)
			return *s, nil
		},
	}
}

// words reads a document, and sends its words to the lexicons. If it is run again
// after a crash, what it sends and answers counts once.
func words(t *situ.Turn, d corpus.Document) (n int, err error) {
	text, err := d.Read()
	if err != nil {
		return 0, err
	}
	batches := map[string]map[string]int{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		key := corpus.Letter(word)
		if batches[key] == nil {
			batches[key] = map[string]int{}
		}
		batches[key][word]++
		n++
	}
	for _, key := range corpus.Letters() {
		if counts := batches[key]; counts != nil {
			situ.Send(t, corpus.Put.To(key, corpus.Batch{Document: d.Name, Counts: counts}))
		}
	}
	return n, nil
}

// top asks all lexicons at once.
func top(t *situ.Turn, n int) ([]corpus.Entry, error) {
	var calls []situ.Call[[]corpus.Entry]
	for _, key := range corpus.Letters() {
		calls = append(calls, corpus.Most.To(key, n))
	}
	return situ.Then(t, fan.Gather(calls), merge, n)
}

// merged takes the answers of all lexicons together.
func merged(_ *situ.Turn, r situ.Reply[fan.Results[[]corpus.Entry], int]) ([]corpus.Entry, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	lists, err := r.Value.Values()
	if err != nil {
		return nil, err
	}
	return corpus.Sort(slices.Concat(lists...), r.Carry), nil
}

// Lexicon is the words of one letter.
type Lexicon struct {
	Words situ.Map[string, corpus.Entry] `json:"words"`
}

// Put adds the words of a document.
func (l *Lexicon) Put(_ *situ.Turn, b corpus.Batch) (none situ.None, err error) {
	for word, n := range b.Counts {
		e, _ := l.Words.Get(word)
		e.Word, e.Count = word, e.Count+n
		if len(e.Documents) < 20 {
			e.Documents = append(slices.Clip(e.Documents), b.Document)
		}
		l.Words.Set(word, e)
	}
	return none, nil
}

// Find returns what is known of a word.
func (l *Lexicon) Find(_ *situ.Turn, word string) (corpus.Entry, error) {
	e, ok := l.Words.Get(word)
	if !ok {
		return e, situ.Errorf("unknown", "no document has the word %q", word)
	}
	return e, nil
}

// Most returns the words that occur most.
func (l *Lexicon) Most(_ *situ.Turn, n int) ([]corpus.Entry, error) {
	all := make([]corpus.Entry, 0, l.Words.Len())
	for _, e := range l.Words.All() {
		e.Documents = nil
		all = append(all, e)
	}
	return corpus.Sort(all, n), nil
}
