unset u; e=; v=value
echo "1 ${u-d} ${e-d} ${v-d} | ${u:-d} ${e:-d} ${v:-d}"
echo "2 ${u+d} ${e+d} ${v+d} | ${u:+d} ${e:+d} ${v:+d}"
echo "3 ${u=d} $u"; unset u; echo "4 ${u:=e} $u"; unset u
(echo "${u?gone}"; echo no); echo "5 $?"
(echo "${e:?}"; echo no); echo "6 $?"
echo "7 ${#v} ${#u} ${#e}"
f=/usr/local/lib/file.tar.gz
echo "8 ${f#*/} ${f##*/} ${f%.*} ${f%%.*} ${f%/*}"
echo "9 ${f/l/L} ${f//l/L} ${f/#\/usr/X} ${f/%gz/Z} ${f//o/} ${f//[aeiou]/_}"
echo "10 ${f:1:3} ${f:5} ${f: -2} ${f:0:-3} ${f:100}"
echo "11 ${v^} ${v^^} ${v,} ${v^^[aeiou]}"
w=HELLO; echo "12 ${w,} ${w,,}"
set -- one 'two words' three
echo "13 $# $1 $2 ${3} $* $@ ${10-none}"
for i in "$@"; do echo "[$i]"; done
for i in $@; do echo "<$i>"; done
for i in "$*"; do echo "{$i}"; done
IFS=,; echo "14 $*" $*; unset IFS
echo "15 ${@:2} ${@:1:1} ${#@} ${#*}"
shift; echo "16 $1 $#"
shift 5; echo "17 $? $#"
set --; echo "18 $# [$@] ["$@"]"; for i in "$@"; do echo never; done
for i in a"$@"b; do echo "[$i]"; done
n=v; echo "19 ${!n}"
echo "20 ${v:-$(echo never >&2)} ${u:-$(echo sub)} ${u:-"q  q"} ${u:-a  b}"
printf '[%s]' ${u:-a  b} "${u:-a  b}" "${u:-"a  b"}" "${u:-'a'}"; echo
echo "21 ${v%"e"} ${v%'e'} ${v#$'v'}"
a='*'; echo "22 ${a#'*'}x ${v#*l}"
echo "23 ${u:-${e:-${v}}}"
echo "24 ${v/a/b c}" "${v/[a-m]/}"
x='a b'; echo "25 ${x@Q} ${x@U}"
echo "26 $$" | grep -c '[0-9]'
echo "27 ${f//\//-}"
echo "28 ${#f} ${f:${#v}:2}"
false; echo "29 $? ${?}"
echo "30 ${v:?}" "${v?}"
set -- a b c; echo "31 ${@/b/X} ${@^}"
