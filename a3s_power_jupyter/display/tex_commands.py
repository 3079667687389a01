"""List TeX commands that only draw a formula.

Left out are those that link, set classes, styles or ids, load packages, define commands, move what
follows, or take a length or a number that decides how much is drawn.
"""

from __future__ import annotations

_SYMBOLS = """
aleph alpha amalg And angle approx approxeq Arrowvert arrowvert ast asymp backepsilon
backprime backsim backsimeq backslash barwedge Bbbk because beta beth between bigcap
bigcirc bigcup bigodot bigoplus bigotimes bigsqcup bigstar bigtriangledown bigtriangleup
biguplus bigvee bigwedge blacklozenge blacksquare blacktriangle blacktriangledown
blacktriangleleft blacktriangleright bot bowtie Box boxdot boxminus boxplus boxtimes
bracevert bullet Bumpeq bumpeq Cap cap cdot cdotp cdots centerdot checkmark chi circ
circeq circlearrowleft circlearrowright circledast circledcirc circleddash circledR
circledS clubsuit colon complement cong coprod Cup cup curlyeqprec curlyeqsucc curlyvee
curlywedge curvearrowleft curvearrowright dagger daleth dashleftarrow dashrightarrow dashv
ddagger ddots Delta delta diagdown diagup Diamond diamond diamondsuit digamma div
divideontimes divsymbol Doteq doteq doteqdot dotplus dotsb dotsc dotsi dotsm dotso
doublebarwedge doublecap doublecup Downarrow downarrow downdownarrows downharpoonleft
downharpoonright ell emptyset epsilon eqcirc eqsim eqslantgtr eqslantless equiv eta eth
exists fallingdotseq Finv flat forall frown Game Gamma gamma ge geq geqq geqslant gets gg
ggg gggtr gimel gnapprox gneq gneqq gnsim gt gtrapprox gtrdot gtreqless gtreqqless gtrless
gtrsim gvertneqq hbar heartsuit hookleftarrow hookrightarrow hslash iiiint iiint iint Im
imath impliedby implies in infty int intercal intop iota jmath Join kappa Lambda lambda
land langle lbrace lbrack lceil ldotp ldots le leadsto Leftarrow leftarrow leftarrowtail
leftharpoondown leftharpoonup leftleftarrows Leftrightarrow leftrightarrow leftrightarrows
leftrightharpoons leftrightsquigarrow leftthreetimes leq leqq leqslant lessapprox lessdot
lesseqgtr lesseqqgtr lessgtr lesssim lfloor lgroup lhd ll llcorner Lleftarrow lll llless
lmoustache lnapprox lneq lneqq lnot lnsim Longleftarrow longleftarrow Longleftrightarrow
longleftrightarrow longmapsto Longrightarrow longrightarrow looparrowleft looparrowright
lor lozenge lrcorner Lsh lt ltimes lVert lvert lvertneqq maltese mapsto measuredangle mho
mid models mp mu multimap nabla natural ncong ne nearrow neg neq nexists ngeq ngeqq
ngeqslant ngtr ni nLeftarrow nleftarrow nLeftrightarrow nleftrightarrow nleq nleqq
nleqslant nless nmid notChar notin nparallel nprec npreceq nRightarrow nrightarrow
nshortmid nshortparallel nsim nsubseteq nsubseteqq nsucc nsucceq nsupseteq nsupseteqq
ntriangleleft ntrianglelefteq ntriangleright ntrianglerighteq nu nVDash nVdash nvDash
nvdash nwarrow odot oint Omega omega omicron ominus oplus oslash otimes owns parallel
partial perp Phi phi Pi pi pitchfork pm prec precapprox preccurlyeq preceq precnapprox
precneqq precnsim precsim prime prod propto Psi psi rangle rbrace rbrack rceil Re
restriction rfloor rgroup rhd rho Rightarrow rightarrow rightarrowtail rightharpoondown
rightharpoonup rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow
rightthreetimes risingdotseq rmoustache Rrightarrow Rsh rtimes rVert rvert S searrow
setminus sharp shortmid shortparallel Sigma sigma sim simeq smallfrown smallint
smallsetminus smallsmile smile spadesuit sphericalangle sqcap sqcup sqsubset sqsubseteq
sqsupset sqsupseteq square star Subset subset subseteq subseteqq subsetneq subsetneqq succ
succapprox succcurlyeq succeq succnapprox succneqq succnsim succsim sum Supset supset
supseteq supseteqq supsetneq supsetneqq surd swarrow tau therefore Theta theta thickapprox
thicksim times to top triangle triangledown triangleleft trianglelefteq triangleq
triangleright trianglerighteq twoheadleftarrow twoheadrightarrow ulcorner unlhd unrhd
Uparrow uparrow Updownarrow updownarrow upharpoonleft upharpoonright uplus Upsilon upsilon
upuparrows urcorner varDelta varepsilon varGamma varkappa varLambda varnothing varOmega
varPhi varphi varPi varpi varpropto varPsi varrho varSigma varsigma varsubsetneq
varsubsetneqq varsupsetneq varsupsetneqq varTheta vartheta vartriangle vartriangleleft
vartriangleright varUpsilon varXi Vdash vDash vdash vdots vee veebar Vert vert Vvdash
wedge wp wr Xi xi yen zeta
"""

_STRUCTURES = """
acute arccos arcsin arctan arg array atop bar Bbb bbFont bcancel begin bf Big big Bigg
bigg Biggl biggl Biggm biggm Biggr biggr Bigl bigl Bigm bigm Bigr bigr binom bmod
boldsymbol boxed Bra bra brace brack Braket braket breve buildrel cal cancel cancelto
cases cfrac check choose coloneqq cos cosh cot coth cr csc dbinom ddddot dddot ddot deg
det dfrac dim displaystyle dot dots end enspace eqqcolon exp frac frak gcd grave hat hbox
hdashline hfil hfill hfilll hline hom hphantom idotsint iff inf injlim it ker Ket ket
Ketbra ketbra LaTeX left lg lim liminf limits limsup ln log mathbb mathbf mathbfcal
mathbffrak mathbfit mathbfscr mathbfsf mathbfsfit mathbfsfup mathbfup mathbin mathcal
mathchoice mathclose mathfrak mathinner mathit mathnormal mathop mathopen mathord
mathpunct mathrel mathring mathrm mathscr mathsf mathsfit mathsfup mathstrut mathtt mathup
matrix max mbox middle min mit mod nobreakspace
nolimits nonscript nonumber not notag oldstyle operatorname over overbrace overleftarrow
overleftrightarrow overline overparen overrightarrow overset overunderset phantom pmatrix
pmb pmod pod Pr projlim qquad quad right rm scr scriptscriptstyle scriptstyle sec Set set
sf shoveleft shoveright sideset sin sinh space sqrt stackbin stackrel strut substack sup
symbb symbf symbfcal symbffrak symbfit symbfscr symbfsf symbfsfit symbfsfup symbfup symcal
symfrak symit symnormal symrm symscr symsf symsfit symsfup symtt symup tag tan tanh tbinom
TeX text textbf textcelsius textdegree textdollar texteuro textit textnormal textrm textsf
textstyle texttt textup tfrac thinspace tilde tt underbrace underleftarrow
underleftrightarrow underline underparen underrightarrow underset varinjlim varliminf
varlimsup varprojlim vec vphantom widehat widetilde xcancel xhookleftarrow xhookrightarrow
xLeftarrow xleftarrow xLeftrightarrow xleftrightarrow xlongequal xmapsto xRightarrow
xrightarrow xrightharpoondown xrightharpoonup
"""

_ENVIRONMENTS = """
align align* aligned array Bmatrix bmatrix cases CD dcases equation equation* gather
gather* gathered matrix multline multline* pmatrix rcases smallmatrix split subarray
Vmatrix vmatrix
"""

#: Letters, operators, relations, arrows and delimiters.
SYMBOLS = frozenset(_SYMBOLS.split())

#: Fractions, roots, fonts, accents, braces, spaces of a fixed width, and text.
STRUCTURES = frozenset(_STRUCTURES.split())

#: Names after ``\begin``.
ENVIRONMENTS = frozenset(_ENVIRONMENTS.split())
