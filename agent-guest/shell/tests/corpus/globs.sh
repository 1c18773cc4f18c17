mkdir -p d/e; touch a.txt b.txt c.md .hidden d/x.txt d/e/y.txt 'sp ace'
echo *; echo *.txt; echo .h*; echo */; echo d/*; echo */*.txt; echo */*/*; echo [ab].txt; echo [!a].txt; echo ?.md
echo nomatch*; echo "*"; echo \*; x='*.txt'; echo $x; echo "$x"
for f in *.txt; do echo "<$f>"; done
set -f; echo *; set +f
echo d/./*.txt; echo ./*.md
echo *' '*; ls -d *\ *
case a.txt in *.txt) echo m;; esac
echo [a-c]*; echo [[:alpha:]].txt; echo *[t]; echo a*t
y=*; echo "$y" | head -c 1; echo
echo "d"/*; echo d"/"x*
cd d; echo *; cd ..
echo {a,b}.txt {a,z}.txt
