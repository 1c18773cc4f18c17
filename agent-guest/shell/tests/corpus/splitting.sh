show() { printf '%s:' "$#"; printf '[%s]' "$@"; echo; }
x='  a  b  '; show $x; show "$x"; show x$x; show $x$x; show "$x"$x
IFS=:; x='a:b::c:'; show $x; x=':a'; show $x; x=' a : b '; show $x
IFS=' :'; x='a : b  :: c'; show $x; x=' :a: '; show $x
IFS=; x='a b'; show $x
unset IFS; show $x
IFS=' '; x='a	b'; show $x; unset IFS; show $x
show $(echo 1 2; echo 3) "$(echo 1 2; echo 3)" "$(printf 'a\n\n\n')"
x=; show $x; show "$x"; show "" $x; show $x"" ; show ''$x''
show $(true) "$(true)"
set -- 'a b' c; show $@; show "$@"; show $*; show "$*"; show x"$@"y; show "$@$@"
IFS=-; show $*; show "$*"; x=$*; show "$x"; x="$@"; show "$x"; unset IFS
y=$x; show $y
for i in $(seq 1 3); do show $i; done
a='1 2'; b=$a; show "$b"
show {a,b}{1,2} x{1..3}y {a..e..2} {3..1} {01..03} a{,b} {x} {a,b\,c} "{a,b}" {a,{b,c}}
show ${a:+x y} "${a:+x y}" ${a:+"x y"}
