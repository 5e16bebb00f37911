// SPDX-License-Identifier: Apache-2.0

package bugs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plantedImport is what a source with bugs imports.
const plantedImport = `"github.com/openfunction/openfunction/test/faults/bugs/planted"`

// Overlay writes the sources with the bugs in them into dir, and returns the path of the file for go build -overlay. Each function
// that has a bug is there twice, as it is and with the bug, and the first hands over to the second when the bug is alive. So one
// program holds all bugs, and the unchanged code is what the program runs when none is.
func Overlay(root, dir string, bugs []Bug) (string, error) {
	sources := map[string]*source{}
	for _, bug := range bugs {
		for _, hunks := range byFunction(bug.Hunks) {
			s, err := open(sources, root, hunks[0].File)
			if err == nil {
				err = s.plant(bug.Number, hunks)
			}
			if err != nil {
				return "", fmt.Errorf("bug %s-%s does not apply to %s any more: %w", bug.Number, bug.Name, hunks[0].File, err)
			}
		}
	}
	replace := map[string]string{}
	write := func(file, text string) error {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(root, file)] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		text, err := sources[file].text()
		if err == nil {
			err = write(file, text)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, bug := range bugs {
		file := fmt.Sprintf("test/faults/bugs/planted/bug_%s.go", bug.Number)
		text := fmt.Sprintf("//go:build bug_%[1]s\n\npackage planted\n\nfunc init() { alive = %[1]q }\n", bug.Number)
		if err := write(file, text); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, data, 0o600)
}

// byFunction groups hunks of the same function, in their order.
func byFunction(hunks []Hunk) [][]Hunk {
	var groups [][]Hunk
	for _, h := range hunks {
		at := slices.IndexFunc(groups, func(g []Hunk) bool { return g[0].File == h.File && g[0].Function == h.Function })
		if at < 0 {
			groups = append(groups, []Hunk{h})
		} else {
			groups[at] = append(groups[at], h)
		}
	}
	return groups
}

// source is one file of the production code.
type source struct {
	code  string
	set   *token.FileSet
	file  *ast.File
	edits []edit
	// imports and more are what the bugs add.
	imports, more []string
	// dispatched are the functions whose arguments have names already.
	dispatched map[*ast.FuncDecl][]string
}

// edit puts text in the place of a part of the code.
type edit struct {
	from, to int
	text     string
}

func open(sources map[string]*source, root, file string) (*source, error) {
	if s := sources[file]; s != nil {
		return s, nil
	}
	code, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	s := &source{code: string(code), set: token.NewFileSet(), dispatched: map[*ast.FuncDecl][]string{}}
	if s.file, err = parser.ParseFile(s.set, file, code, parser.ParseComments); err != nil {
		return nil, err
	}
	sources[file] = s
	return s, nil
}

// plant adds what one bug changes of one function.
func (s *source) plant(number string, hunks []Hunk) error {
	switch hunks[0].Function {
	case "import":
		s.imports = append(s.imports, hunks[0].New...)
		return nil
	case "":
		s.more = append(s.more, strings.Join(hunks[0].New, "\n"))
		return nil
	}
	function, err := s.find(hunks[0].Function)
	if err != nil {
		return err
	}
	lines := strings.Split(s.code[s.offset(function.Pos()):s.offset(function.End())], "\n")
	for _, h := range hunks {
		if lines, err = h.apply(lines); err != nil {
			return err
		}
	}
	variant := function.Name.Name + "Bug" + number
	head := s.offset(function.Name.Pos()) - s.offset(function.Pos())
	text := strings.Join(lines, "\n")
	s.more = append(s.more, text[:head]+variant+text[head+len(function.Name.Name):])
	s.dispatch(function, number, variant)
	return nil
}

// find returns the function of this name, "name" or "Type.name".
func (s *source) find(name string) (*ast.FuncDecl, error) {
	for _, declaration := range s.file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Body != nil && nameOf(function) == name {
			return function, nil
		}
	}
	return nil, fmt.Errorf("there is no function %s", name)
}

func nameOf(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	of := function.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if ident, ok := of.(*ast.Ident); ok {
		return ident.Name + "." + function.Name.Name
	}
	return ""
}

// apply replaces the old lines, which must be there exactly once. How far they are indented does not matter.
func (h Hunk) apply(lines []string) ([]string, error) {
	at, found := -1, 0
	for i := 0; i+len(h.Old) <= len(lines); i++ {
		if slices.EqualFunc(lines[i:i+len(h.Old)], h.Old, func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }) {
			at, found = i, found+1
		}
	}
	if found != 1 || len(h.Old) == 0 {
		return nil, fmt.Errorf("these lines are %d times in %s, not once:\n%s", found, h.Function, strings.Join(h.Old, "\n"))
	}
	return slices.Concat(lines[:at], h.New, lines[at+len(h.Old):]), nil
}

// dispatch makes the function hand over to its variant when the bug is alive.
func (s *source) dispatch(function *ast.FuncDecl, number, variant string) {
	receiver, arguments := s.names(function)
	call := variant
	if receiver != "" {
		call = receiver + "." + variant
	}
	if parameters := function.Type.TypeParams; parameters != nil {
		var types []string
		for _, field := range parameters.List {
			for _, name := range field.Names {
				types = append(types, name.Name)
			}
		}
		call += "[" + strings.Join(types, ", ") + "]"
	}
	call += "(" + strings.Join(arguments, ", ") + ")"
	if function.Type.Results != nil {
		call = "return " + call
	} else {
		call += "\nreturn"
	}
	body := s.offset(function.Body.Lbrace) + 1
	s.edits = append(s.edits, edit{body, body, fmt.Sprintf("\nif planted.Is(%q) {\n%s\n}", number, call)})
}

// names returns how the receiver and the arguments of a function are called in a call; those without a name get one.
func (s *source) names(function *ast.FuncDecl) (receiver string, arguments []string) {
	if known, ok := s.dispatched[function]; ok {
		return known[0], known[1:]
	}
	next := 0
	fresh := func() string { next++; return fmt.Sprintf("planted%d", next) }
	name := func(field *ast.Field) []string {
		var names []string
		for _, ident := range field.Names {
			if ident.Name == "_" {
				ident.Name = fresh()
				s.edits = append(s.edits, edit{s.offset(ident.Pos()), s.offset(ident.Pos()) + 1, ident.Name})
			}
			names = append(names, ident.Name)
		}
		if len(names) == 0 {
			names = []string{fresh()}
			s.edits = append(s.edits, edit{s.offset(field.Pos()), s.offset(field.Pos()), names[0] + " "})
		}
		return names
	}
	if function.Recv != nil {
		receiver = name(function.Recv.List[0])[0]
	}
	for _, field := range function.Type.Params.List {
		names := name(field)
		if _, variadic := field.Type.(*ast.Ellipsis); variadic {
			names[len(names)-1] += "..."
		}
		arguments = append(arguments, names...)
	}
	s.dispatched[function] = append([]string{receiver}, arguments...)
	return receiver, arguments
}

// text is the code with all edits.
func (s *source) text() (string, error) {
	imports := slices.Compact(slices.Sorted(slices.Values(append(s.imports, plantedImport))))
	after := s.offset(s.file.Name.End())
	s.edits = append(s.edits, edit{after, after, "\n\nimport (\n" + strings.Join(imports, "\n") + "\n)\n"})
	slices.SortStableFunc(s.edits, func(a, b edit) int { return cmp.Compare(b.from, a.from) })
	code := s.code
	for _, e := range s.edits {
		code = code[:e.from] + e.text + code[e.to:]
	}
	out, err := format.Source([]byte(code + "\n" + strings.Join(s.more, "\n\n") + "\n"))
	return string(out), err
}

func (s *source) offset(pos token.Pos) int { return s.set.Position(pos).Offset }
