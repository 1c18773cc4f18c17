x='a  b'
echo $x "$x" '$x' \$x "\$x" "a\b" 'a\b' a\ b
echo "a'b" 'a"b' "a\"b" $'a\tb\x41\n' "$(echo "in  quotes")"
printf '[%s]\n' "" '' ""'' a""b
printf '[%s]\n' $x "$x"
echo "back\\slash" 'sq '"dq"' sq'
echo `echo back` "`echo \"q  q\"`" `echo \`echo nested\``
echo "${x}y" ${x#a}  "${x#a}"
echo "a
b" 'c
d'
echo one\
two
echo "one\
two"
echo "\a \$ \` \" \\ \!"
echo $'it\'s' $'\u00e9' "é" $'\101'
echo ~ | grep -c /
echo "~" '~' \~ a~ ~nosuchuser
y=~/x; case $y in /*/x) echo tilde;; esac
p=a:~/b:~; case $p in a:/*/b:/*) echo colon;; esac
echo "$'not ansi'"
echo a#b '#' c # comment
echo "x"#y
