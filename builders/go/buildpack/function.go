// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// handlerShape is what a function has to look like.
const handlerShape = "func(w http.ResponseWriter, r *http.Request)"

// program says how a package becomes a program.
type program struct {
	pkg *build.Package
	// handler is the exported function to serve, empty when the package has a main function of its own.
	handler string
}

// declared is a function of the package being built.
type declared struct {
	name      string
	signature string
	isHandler bool
}

// inspect decides how the package in a folder is run.
func inspect(dir, wanted string) (program, error) {
	pkg, err := importDir(dir)
	if err != nil {
		return program{}, explainImport(pkg, dir, err)
	}
	functions, err := functionsOf(pkg)
	if err != nil {
		return program{}, err
	}
	if pkg.Name == "main" && slices.ContainsFunc(functions, func(f declared) bool { return f.name == "main" }) {
		return program{pkg: pkg}, nil
	}
	handler, err := chooseHandler(pkg.Name, wanted, functions)
	return program{pkg: pkg, handler: handler}, err
}

func chooseHandler(pkg, wanted string, functions []declared) (string, error) {
	var handlers []string
	for _, f := range functions {
		if f.isHandler && token.IsExported(f.name) {
			handlers = append(handlers, f.name)
		}
	}
	if wanted == "" {
		switch len(handlers) {
		case 1:
			return handlers[0], nil
		case 0:
			return "", userErrorf("package %s is no program and exports no function of the form %s", pkg, handlerShape)
		}
		return "", userErrorf("package %s exports several handlers: set the build environment variable FUNC_NAME to one of %s",
			pkg, strings.Join(handlers, ", "))
	}
	for _, f := range functions {
		switch {
		case f.name != wanted:
		case !token.IsExported(wanted):
			return "", userErrorf("FUNC_NAME is %q, which package %s does not export: let its name begin with a capital letter", wanted, pkg)
		case !f.isHandler:
			return "", userErrorf("%s.%s is %s, want %s", pkg, wanted, f.signature, handlerShape)
		default:
			return wanted, nil
		}
	}
	hint := "it exports no function of the form " + handlerShape
	if len(handlers) > 0 {
		hint = "it exports " + strings.Join(handlers, ", ")
	}
	return "", userErrorf("FUNC_NAME is %q, but package %s has no function of that name; %s", wanted, pkg, hint)
}

// functionsOf lists the functions, not the methods, that a package declares.
func functionsOf(pkg *build.Package) ([]declared, error) {
	var functions []declared
	for _, name := range pkg.GoFiles {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, userErrorf("%s", strings.ReplaceAll(err.Error(), pkg.Dir+string(filepath.Separator), ""))
		}
		http := importName(file, "net/http")
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				functions = append(functions, declared{name: f.Name.Name, signature: show(files, f.Type), isHandler: isHandler(f.Type, http)})
			}
		}
	}
	return functions, nil
}

// importName returns what a file calls a package, nothing if the file does not import it.
func importName(file *ast.File, path string) string {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err != nil || p != path {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		return path[strings.LastIndex(path, "/")+1:]
	}
	return ""
}

// isHandler reports whether a function takes exactly an http.ResponseWriter and a *http.Request.
func isHandler(f *ast.FuncType, http string) bool {
	if http == "" || f.TypeParams != nil || f.Results.NumFields() != 0 || f.Params.NumFields() != 2 {
		return false
	}
	var params []ast.Expr
	for _, field := range f.Params.List {
		for range max(1, len(field.Names)) {
			params = append(params, field.Type)
		}
	}
	request, pointer := params[1].(*ast.StarExpr)
	return pointer && isHTTP(params[0], http, "ResponseWriter") && isHTTP(request.X, http, "Request")
}

// isHTTP reports whether an expression names a type of net/http, which the file calls http.
func isHTTP(e ast.Expr, http, name string) bool {
	if plain, ok := e.(*ast.Ident); ok {
		return http == "." && plain.Name == name
	}
	selected, ok := e.(*ast.SelectorExpr)
	if !ok || selected.Sel.Name != name {
		return false
	}
	from, ok := selected.X.(*ast.Ident)
	return ok && from.Name == http
}

func show(files *token.FileSet, f *ast.FuncType) string {
	var text bytes.Buffer
	if err := printer.Fprint(&text, files, f); err != nil {
		return fmt.Sprintf("a function with %d parameters", f.Params.NumFields())
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
