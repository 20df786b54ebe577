// Package corpus is the contract of the pipeline, and the texts that it works on:
// files of a directory, or documents that are made from a seed.
package corpus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/fan"
)

// Source says which documents there are: the files below Dir, with Ext at their end,
// or so many that are made up.
type Source struct {
	Dir       string `json:"dir,omitempty"` // as the program sees it
	Ext       string `json:"ext,omitempty"`
	Documents int    `json:"documents,omitempty"`
	Words     int    `json:"words,omitempty"` // of a document
	Seed      uint64 `json:"seed,omitempty"`
}

// A Document is one to be read: a file, or what is made of a seed.
type Document struct {
	Name  string `json:"name"`
	Path  string `json:"path,omitempty"`
	Words int    `json:"words,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
}

// Summary is what became of a source.
type Summary struct {
	Documents int      `json:"documents"` // that were read
	Words     int      `json:"words"`
	Failed    int      `json:"failed"`
	Why       []string `json:"why,omitempty"` // of some that failed
}

// Batch is the words of one document that begin with one letter.
type Batch struct {
	Document string         `json:"document"`
	Counts   map[string]int `json:"counts"`
}

// Entry is a word, how often it occurs, and in which documents, at most 20 of them.
type Entry struct {
	Word      string   `json:"word"`
	Count     int      `json:"count"`
	Documents []string `json:"documents,omitempty"`
}

// The contract.
var (
	Pipeline = situ.NewFunc[Source, Summary]("pipeline", situ.Doc("Indexes the words of all documents of a source."),
		situ.Example(Source{Documents: 2000, Words: 500, Seed: 1}))
	Top   = situ.NewFunc[int, []Entry]("top", situ.Doc("Returns the words that occur most."), situ.Example(10))
	Words = situ.NewFunc[Document, int]("words", situ.Doc("Reads a document, and sends its words to the lexicons."))

	Index = situ.NewType("index", situ.Doc("Has the documents of a source read, some at a time."))
	Build = fan.New[[]Document, Summary](Index, "build")

	Lexicon = situ.NewType("lexicon", situ.Doc("The words that begin with one letter."))
	Put     = situ.NewMethod[Batch, situ.None](Lexicon, "put")
	Find    = situ.NewMethod[string, Entry](Lexicon, "find", situ.ReadOnly, situ.Doc("Returns what is known of a word."), situ.Example("storm"))
	Most    = situ.NewMethod[int, []Entry](Lexicon, "most", situ.ReadOnly, situ.Doc("Returns the words of this letter that occur most."))
)

// damaged is which of the documents that are made up cannot be read: every so many.
const damaged = 97

// List returns the documents of a source. The error says what is wrong with it.
func (s Source) List() (docs []Document, err error) {
	if s.Dir != "" {
		err := filepath.WalkDir(s.Dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, s.Ext) {
				docs = append(docs, Document{Name: path, Path: path})
			}
			return err
		})
		return docs, err
	}
	if s.Documents < 1 || s.Documents > 1_000_000 || s.Words < 1 || s.Words > 100_000 {
		return nil, situ.Errorf("source", "%d documents of %d words: want a dir, or 1 to 1000000 documents of 1 to 100000 words", s.Documents, s.Words)
	}
	for i := range s.Documents {
		docs = append(docs, Document{Name: fmt.Sprintf("doc-%05d", i), Words: s.Words, Seed: s.Seed<<32 | uint64(i)})
	}
	return docs, nil
}

// Read returns the text of a document. That of a file must be UTF-8.
func (d Document) Read() (string, error) {
	if d.Path != "" {
		b, err := os.ReadFile(d.Path)
		if err == nil && !utf8.Valid(b) {
			err = situ.Errorf("damaged", "%s is not text", d.Name)
		}
		return string(b), err
	}
	if d.Seed%damaged == damaged-1 {
		return "", situ.Errorf("damaged", "%s cannot be read", d.Name)
	}
	return d.text(), nil
}

// text makes a text up: few of its words occur often, and many rarely, as in any
// language (Zipf's law).
func (d Document) text() string {
	rng := rand.New(rand.NewPCG(d.Seed, 0x70697065))
	var b strings.Builder
	for i := range d.Words {
		switch {
		case i > 0 && i%12 == 0:
			b.WriteString(".\n")
		case i > 0:
			b.WriteByte(' ')
		}
		b.WriteString(word(int(math.Exp(rng.Float64() * math.Log(vocabulary)))))
	}
	return b.String()
}

// vocabulary is how many words there are.
const vocabulary = 20_000

var syllables = strings.Fields("storm ba ke li no ru sa te vi mo da pe hi gu fa lo ni ra su to ve")

// word returns the word of that rank, from 1.
func word(rank int) string {
	var b strings.Builder
	for rank--; ; rank /= len(syllables) {
		b.WriteString(syllables[rank%len(syllables)])
		if rank < len(syllables) {
			return b.String()
		}
	}
}

// Letter returns the key of the lexicon that has a word.
func Letter(word string) string {
	r, _ := utf8.DecodeRuneInString(word)
	if r < 'a' || r > 'z' {
		return "other"
	}
	return string(r)
}

// Letters are the keys of all lexicons.
func Letters() (keys []string) {
	for r := 'a'; r <= 'z'; r++ {
		keys = append(keys, string(r))
	}
	return append(keys, "other")
}

// Sort puts the entries that occur most first, and returns n of them at most.
func Sort(all []Entry, n int) []Entry {
	slices.SortFunc(all, func(a, b Entry) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Word, b.Word)
	})
	return all[:min(max(n, 0), len(all))]
}
