if true; then echo t; fi; if false; then echo f; else echo e; fi
if false; then :; elif true; then echo elif; else echo no; fi
if ! false; then echo not; fi
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done
for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done; echo $?
for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
for i in 1 2; do for j in a b; do break 2; done; done; echo "$i$j"
i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo w$i; done
i=3; until [ $i -eq 0 ]; do i=$((i-1)); done; echo u$i
while false; do :; done; echo $?
case abc in a*) echo star;; *) echo other;; esac
case x in a|x) echo or;; esac
case "a b" in "a b") echo q;; esac
case '*' in \*) echo lit;; esac
case abc in [!a]*) echo no;; [a-c]bc) echo range;; esac
case x in x) echo 1;& y) echo 2;; z) echo 3;; esac
case x in x) echo 1;;& ?) echo 2;; *) echo 3;; esac
case none in a) ;; esac; echo $?
p='b*'; case bcd in $p) echo pat;; esac; case 'b*' in "$p") echo quoted;; esac
case a in (a) echo paren;; esac
true && echo and || echo or; false && echo and || echo or; false || true && echo both
{ echo a; echo b; } | cat; (echo c; exit 3); echo $?
{ false; true; }; echo $?
! true; echo $?; ! false; echo $?
f() { echo "f $# $1"; return 4; echo no; }; f a b; echo $?
g() { local v=in; v2=glob; echo $v; }; v=out; g; echo $v $v2
h() { for i in 1 2 3; do [ $i = 2 ] && return 9; done; }; h; echo $?
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fact $(($1-1))) )); fi; }; fact 10
function k { echo kw; }; k
l() (cd /; x=sub; echo subshell); l; echo ${x-unset}
r() { return; }; false; r; echo $?
set -- a b; m() { echo $1; shift; echo $1; }; m x y; echo $1
for x; do echo "arg $x"; done
for x in; do echo never; done
if [ 1 -eq 1 ] && [ 2 -eq 2 ]; then echo ok; fi
while true; do break; done; echo brk $?
n() { n2() { echo inner; }; }; n; n2
unset -f n2; n2 2>/dev/null || echo gone $?
o() { echo $FUNCVAR; }; FUNCVAR=tmp o; echo "[${FUNCVAR-}]"
x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x
echo x | while read l; do y=$l; done; echo "[${y-}]"
