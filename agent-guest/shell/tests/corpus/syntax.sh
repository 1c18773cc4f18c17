eval 'if true; then' 2>/dev/null; echo $?
eval 'echo )' 2>/dev/null; echo $?
eval 'for' 2>/dev/null; echo $?
sh -c 'echo "unterminated' 2>/dev/null; echo $?
sh -c 'fi' 2>/dev/null; echo $?
echo if then else; echo { } ! ; echo [ ]
if true
then echo multi
fi
for i in a \
 b
do
 echo $i
done
case x
in
x) echo c ;;
esac
echo a; echo b;
{ echo c
}
( echo d
)
true &&
 echo e
true | 
# comment
cat
f ()
{
 echo g
}
f
echo $(echo $(echo $(echo deep)))
echo "$(echo "$(echo "q")")"
echo $(case x in (x) echo insub;; esac) "$(case y in (y) echo insub2;; esac)"
echo `echo $(echo mixed)`
echo $( (echo paren) )
echo $(
# comment with ' quote
echo commented
)
x=1 y=2; echo $x$y
a=b echo c; echo ${a-unset}
export Q=1 R='a b'; echo $Q "$R"
x=$(echo a)$(echo b); echo $x
echo ${x}${x}
[ a = a ] && { echo grp; } || echo no
echo "${x:-$(echo "${x:-nested}")}"
while :; do while :; do break 2; done; done; echo out
echo a\;b 'c;d' "e|f" g\&h
echo 2>/dev/null x
echo x2>file; cat file
echo 5 >file; cat file
time_=1; echo $time_
