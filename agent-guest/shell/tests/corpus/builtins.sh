printf '%s %d %5s|%-5s|%05d %x %o %c %%\n' str 42 ab cd 42 255 8 xyz
printf '%s\n' a b c; printf '%s-%s\n' 1 2 3; printf 'no newline'; echo
printf '%b' 'a\tb\n' ; printf '%q\n' 'a b'; printf '%.2f %e %g\n' 3.14159 1234.5 0.0001
printf '%5.1f|%-8s|%+d|% d\n' 2.25 ab 5 5; printf '%s\n'; printf '%d\n' 0x10 010 "'A"
printf '%3$s' 2>/dev/null; printf '%*d\n' 5 42; printf '\101\x42\n'; printf '%.3s\n' abcdef
printf '%d\n' abc 2>/dev/null; echo $?
printf -v var '%03d' 7; echo $var
echo -n a; echo -n; echo -e 'x\ty'; echo -E 'x\ty'; echo -x; echo --; echo -ne 'q\n'; echo -e 'a\cb'; echo
test 1 -lt 2; echo $?; [ a = b ]; echo $?; [ -z "" ]; echo $?; [ -n "" ]; echo $?; [ ]; echo $?; [ x ]; echo $?
[ ! x ]; echo $?; [ a = a -a b = b ]; echo $?; [ a = b -o b = b ]; echo $?; [ \( a = a \) ]; echo $?
[ -d / ]; echo $?; [ -f / ]; echo $?; [ -e /nosuch ]; echo $?; [ "(" = "(" ]; echo $?; [ 1 -eq x ] 2>/dev/null; echo $?
[[ abc == a* ]]; echo $?; [[ abc == "a*" ]]; echo $?; [[ a < b ]]; echo $?; [[ -z "" && 1 -eq 1 ]]; echo $?; [[ abc =~ ^a.c$ ]]; echo $?
x='a b'; [[ $x == 'a b' ]]; echo $?; [[ ! a == b || c == d ]]; echo $?; [[ 2+3 -eq 5 ]]; echo $?
type cd >/dev/null; echo $?; type nosuch 2>/dev/null; echo $?; command -v cd; command -v nosuch; echo $?
eval 'x=5; echo $x'; eval "echo \$x"; eval; echo $?
set -- -a -b val rest; while getopts ab:c o; do echo "$o ${OPTARG-}"; done; shift $((OPTIND-1)); echo "$@"
OPTIND=1; set -- -abval x; while getopts ab: o; do echo "$o ${OPTARG-}"; done; echo $OPTIND
OPTIND=1; set -- -z; getopts :ab: o; echo "$o $OPTARG"; OPTIND=1; set -- -b; getopts :b: o; echo "$o $OPTARG"
export E=1; sh -c 'echo $E'; V=2 sh -c 'echo $V'; sh -c 'echo ${V-none}'; sh -c 'echo $0 $1' a b
sh -c 'exit 7'; echo $?; (exit 300); echo $?
readonly R=1; (R=2) 2>/dev/null; echo $?; unset R 2>/dev/null; echo $?; echo $R
x=1; unset x; echo ${x-unset}; unset nosuch; echo $?
cd /; pwd; cd - >/dev/null; mkdir dd; cd dd; case $PWD in */dd) echo ok;; esac; cd ..; cd nosuch 2>/dev/null; echo $?
read a b <<X
one two three
X
echo "$a|$b"; echo 'a\b' | { read x; echo "$x"; }; echo 'a\b' | { read -r x; echo "$x"; }
echo '  x  y  ' | { read l; echo "[$l]"; }; echo '  x  ' | { IFS= read -r l; echo "[$l]"; }
echo a:b:c | { IFS=: read x y; echo "$x|$y"; }; read x </dev/null; echo "$? [$x]"; printf 'no eol' | { read x; echo "$? $x"; }
printf 'a b\\\nc\n' | { read x y; echo "$x|$y"; }; echo abc | { read -n 2 x; echo $x; }; echo 'a,b' | { read -d , x; echo $x; }
echo REPLYtest | { read; echo $REPLY; }
echo 'a b ' | { read x y; echo "[$y]"; }; echo 'a:b:' | { IFS=: read x y; echo "[$y]"; }; echo 'a:b:c:' | { IFS=: read x y; echo "[$y]"; }
. /dev/null; echo $?; echo 'sv=$1; return 3' >src; . ./src arg; echo "$? $sv"
trap 'echo bye' EXIT; trap; trap - EXIT
(trap 'echo subexit' EXIT; echo in)
true; : ; false; echo $?
set -- a b c; set -- "$@" d; echo $#; set x y; echo $1
alias ll='echo aliased'; alias ll; unalias ll; alias ll 2>/dev/null; echo $?
times >/dev/null; umask >/dev/null; hash >/dev/null; echo $?
env -i X=1 env | grep X; X=5 env | grep '^X='
echo a b c | xargs -n 1 echo x; printf 'a\nb\n' | xargs -I{} echo '<{}>'; echo | xargs -r echo never
command echo cmd; builtin echo blt; exec 5>&1; echo five >&5
timeout 5 echo intime; sleep 0; echo $?
local x 2>/dev/null; echo $?
shift 99; echo $?
nosuchcmd 2>/dev/null; echo $?; ./nosuch 2>/dev/null; echo $?; echo 'echo script $1' >s.sh; sh s.sh arg; chmod +x s.sh; ./s.sh arg2
