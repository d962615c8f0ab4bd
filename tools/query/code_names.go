package query

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// This file notices that a name of a statement has come to mean something else since the catalog was read: somebody made a
// function, an operator, a type or a cast, or replaced one. Tables are noticed by their stamps (sqlGuard).

// madeName is a kind of object and a name, in any schema.
type madeName struct {
	kind byte
	name string
}

const (
	madeFunction = 'f'
	madeOperator = 'o'
	madeType     = 't'
	madeCast     = 'c' // casts have no name
)

// version changes whenever one of the objects is made, replaced or dropped: their number, and the sum of the transactions that
// wrote their catalog rows.
type version struct{ count, sum int64 }

func (v version) String() string {
	if v.count == 0 {
		return "0" // what concat_ws makes of a sum of nothing
	}
	return fmt.Sprintf("%d.%d", v.count, v.sum)
}

// made counts an object of a user.
func (c *catalog) made(kind byte, oid uint32, name, xmin string) {
	if oid < firstUserOID {
		return
	}
	n, _ := strconv.ParseInt(xmin, 10, 64)
	v := c.versions[madeName{kind, name}]
	c.versions[madeName{kind, name}] = version{v.count + 1, v.sum + n}
}

// codeNames are the names of a statement that somebody may give another meaning.
type codeNames struct {
	params [][]byte // of sqlCode; nil when there are none
	stamp  string   // what sqlCode answers while nothing has changed
}

func (in *inspection) codeNames() codeNames {
	var names [3][]string // functions, operators, types
	for _, call := range in.st.Functions {
		names[0] = append(names[0], call.Name)
	}
	for _, a := range in.st.Attributes {
		names[0] = append(names[0], a.What)
	}
	for _, ref := range in.st.Columns {
		if len(ref.Names) > 1 && !ref.Star && !in.isColumn(ref) {
			names[0] = append(names[0], ref.Names[len(ref.Names)-1])
		}
	}
	for _, call := range in.st.Operators {
		names[1] = append(names[1], call.Name)
	}
	for _, call := range in.st.Types {
		names[2] = append(names[2], call.Name)
	}
	if len(names[0])+len(names[1])+len(names[2]) == 0 {
		return codeNames{}
	}
	var out codeNames
	for i, kind := range []byte{madeFunction, madeOperator, madeType} {
		slices.Sort(names[i])
		names[i] = slices.Compact(names[i])
		var all version
		for _, name := range names[i] {
			v := in.cat.versions[madeName{kind, name}]
			all.count, all.sum = all.count+v.count, all.sum+v.sum
		}
		out.params = append(out.params, nameArray(names[i]))
		out.stamp += all.String() + " "
	}
	out.stamp += in.cat.versions[madeName{madeCast, ""}].String()
	return out
}

// nameArray writes names as an array of PostgreSQL.
func nameArray(names []string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		quoteElement(&b, []byte(name))
	}
	b.WriteByte('}')
	return b.Bytes()
}
