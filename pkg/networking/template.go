// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
)

// hostValues and pathValues are what the templates may use.
type (
	hostValues struct{ Name, Namespace, Domain string }
	pathValues struct{ Name, Namespace string }
)

// maxRendered is how long a rendered host or path may be.
const maxRendered = 1024

// Host renders the Gateway's hostTemplate for a function.
func Host(g *networkingv1alpha1.Gateway, function client.ObjectKey) (string, error) {
	text := cmp.Or(g.Spec.HostTemplate, networkingv1alpha1.DefaultHostTemplate)
	host, err := render("hostTemplate", text, hostValues{function.Name, function.Namespace, g.Spec.Domain})
	if err != nil {
		return "", err
	}
	host = strings.ToLower(host)
	if problems := validation.IsDNS1123Subdomain(strings.TrimPrefix(host, "*.")); len(problems) > 0 {
		return "", fmt.Errorf("hostTemplate gives %q, which is no host name: %s", host, problems[0])
	}
	return host, nil
}

// Path renders the Gateway's pathTemplate for a function; it begins with a slash.
func Path(g *networkingv1alpha1.Gateway, function client.ObjectKey) (string, error) {
	text := cmp.Or(g.Spec.PathTemplate, networkingv1alpha1.DefaultPathTemplate)
	path, err := render("pathTemplate", text, pathValues{function.Name, function.Namespace})
	if err != nil {
		return "", err
	}
	path = "/" + strings.TrimLeft(path, "/")
	if strings.ContainsAny(path, " \t\r\n?#\\%\"<>{}|^`") || strings.Contains(path, "//") {
		return "", fmt.Errorf("pathTemplate gives %q, which is no path", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return "", fmt.Errorf("pathTemplate gives %q, which is no path", path)
		}
	}
	return path, nil
}

// CheckTemplates renders both templates of a Gateway for a function that might be.
func CheckTemplates(g *networkingv1alpha1.Gateway) error {
	some := client.ObjectKey{Namespace: "namespace", Name: "name"}
	_, hostErr := Host(g, some)
	_, pathErr := Path(g, some)
	return errors.Join(hostErr, pathErr)
}

// functions are those of text/template that make texts, each with a bound: a text made of a text made of a text could fill the memory.
var functions = template.FuncMap{
	"print":    bound(fmt.Sprint),
	"println":  bound(fmt.Sprintln),
	"html":     bound(template.HTMLEscaper),
	"js":       bound(template.JSEscaper),
	"urlquery": bound(template.URLQueryEscaper),
	"printf": func(format string, args ...any) (string, error) {
		return bound(func(args ...any) string { return fmt.Sprintf(format, args...) })(args...)
	},
}

// bound lets a function fail whose result is too long.
func bound(make func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		text := make(args...)
		if len(text) > maxRendered {
			return "", errTooLong
		}
		return text, nil
	}
}

var errTooLong = fmt.Errorf("the result is longer than %d characters", maxRendered)

// render executes a template of a user's. A template that can repeat itself could keep the controller busy, so none may.
func render(name, text string, values any) (string, error) {
	parsed, err := template.New(name).Funcs(functions).Parse(text)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if len(parsed.Templates()) > 1 || repeats(parsed.Root) {
		return "", fmt.Errorf("%s must not use range, define, block or template", name)
	}
	out := &bounded{}
	if err := parsed.Execute(out, values); err != nil {
		return "", fmt.Errorf("%s cannot be used: %w", name, err)
	}
	return out.String(), nil
}

// repeats tells whether a part of the template may be executed more than once.
func repeats(node parse.Node) bool {
	switch node := node.(type) {
	case *parse.ListNode:
		return node != nil && slices.ContainsFunc(node.Nodes, repeats)
	case *parse.IfNode:
		return repeats(node.List) || repeats(node.ElseList)
	case *parse.WithNode:
		return repeats(node.List) || repeats(node.ElseList)
	case *parse.TextNode, *parse.ActionNode, *parse.CommentNode:
		return false
	default:
		return true
	}
}

// bounded is a text that refuses to become too long.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}
