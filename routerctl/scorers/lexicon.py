"""The words by which replies announce, deny, refuse and take back, in the languages that replies come in.

Plain data, one list a purpose, a line or two a language: another language is another line. `phrases` makes a pattern of
them; what they mean together is said where they are used (`stance`, `cues`, `numerals`).
"""

from __future__ import annotations

import re

# Scripts that are written without spaces between words: a neighbour of theirs does not join a word.
UNSPACED = "\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"


def phrases(*lists: str) -> str:
    """Make an alternation of comma-separated phrases, longest first: * stands for any ending, a space for any spaces.

    A phrase of letters must be whole words, except in scripts without spaces.
    """
    found = {phrase.strip() for text in lists for phrase in text.replace("\n", " ").split(",") if phrase.strip()}
    words, others = [], []
    for phrase in sorted(found, key=lambda one: (-len(one), one)):
        pattern = re.escape(phrase).replace(r"\ ", r"\s+").replace(r"\*", r"\w*")
        if re.match(f"[{UNSPACED}]", phrase) or not phrase[0].isalnum():
            others.append(pattern)
        else:
            words.append(pattern + (r"\b" if phrase[-1].isalnum() else ""))
    whole = [rf"\b(?:{'|'.join(words)})"] if words else []
    return f"(?:{'|'.join([*whole, *others])})"


# --- what ends a clause -----------------------------------------------------------------------------------------------

CLAUSE_WORDS = """
but, because, since, so, therefore, thus, hence, although, though, while, whereas, however, then, which, as it,
as they,
and the, and it, and so, and this, and I, and therefore, and thus, yet, for it,
sondern, aber, weil, denn, mais, donc, parce que, sino, pero, porque, pues, mas, porém, pois, ma, bensì,
perché, quindi, maar, omdat, lecz, а, но, потому, utan, fordi, vaan,
而是, 但是, 因为, 所以, 而, 但, ではなく, じゃなくて, 아니라
"""

# --- negation ---------------------------------------------------------------------------------------------------------

# Denies what follows it in its clause.
DENIES = """
not, no, never, neither, nor, none, nothing, nobody, without, cannot, isnt, cant, dont, doesnt, wont, wasnt, hardly,
barely, scarcely, rather than, instead of, other than, except, except for, unlike, anything but, everything but,
all but,
far from, lack, lacks, lacking, little, few, absence of, devoid of, fails to, failed to, unlikely, impossible,
doubt, doubts, doubtful, hard to justify, hard to defend, mistake to, rule out, rules out,
ruled out, ruling out, exclude*, excluding, reject*, eliminat*, deny, denies, denied, avoid, wrong, wrongly,
incorrect,
incorrectly, false, falsely, mistaken, mistakenly, invalid, opposite of, least likely, least plausible,
least probable,
least suitable, least appropriate, worst, weakest, at first, initially, originally, previously, first labelled,
used to be,
might think, may think, could think, thought to be, if, distractor*, trap, decoy,
many would, some would, most would, others would, many might, some might, people would, ≠, !=,
nicht, kein, keine, keiner, keinen, keines, keinem, nie, niemals, weder, keinesfalls, keineswegs, kaum, statt,
anstatt,
außer, falsch, falsche, niet, geen, nooit, noch, inte, ej, icke, aldrig, ikke, ikkje, aldri, ei,
pas, jamais, aucun, aucune, sauf, sans, au lieu de, plutôt que, faux, fausse, nunca, jamás, tampoco, ni, ninguno,
ninguna, en vez de, en lugar de, excepto, salvo, incorrecto, incorrecta, falso, falsa, não, nao, nem, nenhum,
nenhuma,
em vez de, errada, errado, non, né, mai, nessuno, nessuna, invece di, piuttosto che, tranne, sbagliata, sbagliato,
nu,
nigdy, ani, zamiast, není, nikdy, ne, nije, soha, sem, nav, bukan, tidak, không, chẳng,
не, ни, нет, никогда, вместо, кроме, неверн*, неправильн*, ні, ніколи, δεν, όχι, ούτε, μη,
ليس, ليست, لا, لم, لن, غير, לא, אינה, אינו, نیست, नहीं, नही,
不, 没, 沒, 非, 無, 别, 勿, 错误, 錯, ไม่
"""
# Has a negation in it and denies nothing.
AFFIRMS = """
no doubt, without a doubt, without any doubt, without doubt, beyond doubt, no question, without question, not only,
not just, not surprisingly, none other than, no other than, nothing other than, nothing but, no less than,
not far from, why not,
whether or not, if not, not to mention, can't go wrong with, if I had to, if I must, if anything, if forced,
kein Zweifel, ohne Zweifel, zweifellos, nicht nur, sans doute, sans aucun doute, non seulement, sin duda,
sin lugar a dudas, no solo, sem dúvida, não só, senza dubbio, non solo, без сомнения, не только, 不仅, 毫无疑问,
不只
"""
# A clause that ends with it goes on denying behind the comma.
HANGS = "not, cannot, never, nicht, niet, inte, ikke, pas, não, не, without, except, neither, than"

# Says of the thing before it that it is wrong: "A is ...", with or without a verb of being.
BEING = """
is, was, are, be, 's, would, would be, will be, seems, looks, sounds, must be, also, both, therefore, clearly,
simply,
option, answer, choice, one, label, the answer, die Antwort, ist, sind, wäre, est, serait, es, sería, è, sarebbe, é,
seria, está, jest, to, är, er, on
"""
WRONG = """
not, never, no, nothing, none, wrong, incorrect, false, invalid, impossible, eliminated, excluded, ruled out,
rejected,
inaccurate, unlikely, untrue, mistaken, unclear, questionable, doubtful, neither, isn't, aren't, wasn't, can't,
cannot,
couldn't, doesn't, does not, do not, don't, won't, wouldn't, would not, can not, could not, will not, shouldn't,
nicht, kein, keine, falsch, unmöglich, faux, fausse, incorrecte, pas, n'est pas, incorrecto, incorrecta,
falso, falsa, no es, no puede, errado, errada, não é, sbagliato, sbagliata, non è, niet, onjuist, fout, błędn*,
nieprawidłow*, nie jest, inte, fel, ikke, forkert, feil, не, неверн*, неправильн*, değil*, yanlış
"""
WRONG_UNSPACED = """
ではな, ではあり, じゃな, じゃあり, でない, 間違, 誤り, 不正解, が間違, は間違, が誤り, は誤り, が不正解, は不正解,
が正解ではな,
は正解ではな, 이 아니, 가 아니, 이 아닙, 가 아닙, 이 아닌, 가 아닌, 아니, 은 틀, 는 틀, 이 틀, 가 틀, 不, 错, 錯,
是不, 是错, 是錯, 不是,
选项不, 选项错, नहीं, गलत, نیست, خطأ, غير
"""
REFUSES_AFTER_QUESTION = "no, nope, not, never, nein, non, não, нет, nej, nee"

# --- refusal, change of mind ------------------------------------------------------------------------------------------

CANNOT = """
can't, cannot, can not, could not, couldn't, won't, will not, unable to, not able to, not comfortable,
not allowed to,
not permitted to, not in a position to, wouldn't want to
"""
ACTS = """
answer, help, assist, provide, share, give, tell, say, determine, choose, decide, discuss, comply, do that, do this,
do so,
engage, fulfil, fulfill, predict, know, access, browse, see, confirm, verify, offer, respond, pick, select, identify,
recommend, advise, guess, solve, compute, process, support, create, write, judge, classify, be sure, be certain,
make,
complete, calculate, continue, fully, endorse
"""
# Behind "I" or "we", and "am" or "would".
REFUSES = """
don't know, do not know, don't have, do not have, have no idea, have no access, have no data, have no way,
have no information, have no knowledge, have no clue, have no answer, have no opinion, lack, decline, must decline,
have to decline, refuse, not sure, not certain, unsure, uncertain, not comfortable, rather not, prefer not, dunno
"""
NO_ANSWER = """
as an AI, I'm sorry, I am sorry, I apologize, I apologise, no idea, don't know, can't say, can't tell, can't do that,
no way to tell, no way to know, no way of telling, no way of knowing, any way to tell, no one knows, no one can,
nobody knows,
impossible to say, impossible to tell, impossible to know, impossible to determine, hard to say, hard to tell,
difficult to say,
difficult to tell, too early to say, not possible to say, not possible to determine, unable to determine,
cannot be determined, can't be determined, cannot be answered, can't be answered, cannot be known, can't be known,
cannot be decided, cannot be inferred, can't be inferred, cannot be calculated, cannot be classified,
could not be determined,
not enough info*, not enough context, not enough data, not enough detail*, insufficient info*, insufficient context,
insufficient data, it depends, none of the above, none of the options, none of the choices, none of the labels,
none of these, none of those, none of them, no answer, no clear answer, no definite answer, no correct answer,
no right answer, unanswerable, undetermined, undecidable,
kann ich nicht, weiß nicht, weiß es nicht, weiß ich nicht, keine Ahnung, tut mir leid, ich kann das nicht,
ich kann dazu nichts,
ich kann nicht, ich darf nicht, ich kann diese Frage nicht, je ne peux, je ne sais, je ne suis, désolé, désolée,
no puedo, no sé,
no lo sé, no tengo, lo siento, não posso, não sei, não consigo, desculpe, non posso, non lo so, mi dispiace,
ik weet niet,
ik weet het niet, ik kan niet, ik kan dat niet, nie mogę, nie wiem, jag kan inte, jag vet inte, jeg kan ikke,
jeg ved ikke,
jeg vet ikke, bilmiyorum, я не могу, я не знаю, не знаю, не могу,
无法, 無法, 不能, 不知道, 不清楚, 抱歉, わかりません, 分かりません, できません, 申し訳, 모르겠, 알 수 없, 죄송,
할 수 없,
لا أستطيع, لا أعرف, لا يمكنني, नहीं जानता, नहीं बता सकता, नहीं कर सकता
"""
# An interjection that begins a change of mind.
WAIT = """
oh, hmm, no, nein, non, wait, sorry, oops, actually, hold on, scratch that, correction, on second thought,
on second thoughts, let me recheck, let me recalculate, let me reconsider, let me check, moment, attends, espera,
aspetta
"""
TAKEN_BACK = """
that is wrong, that's wrong, this is wrong, it is wrong, it's wrong, that was wrong, that is not right,
that's not right,
this is not right, this isn't right, that isn't right, that is not correct, that's not correct, that isn't correct,
this is not correct, this isn't correct, that is incorrect, that's incorrect, this is incorrect, it is incorrect,
it's incorrect,
that can't be right, that cannot be right, that can't be correct, that's not true, that isn't true, that is false,
that's false,
that is a mistake, that's a mistake, that was a mistake, I was wrong, I was mistaken, I made a mistake,
I made an error,
I take that back, I take it back, I misread, scratch that, strike that, never mind, ignore that, just kidding
"""
CORRECTS = """
edit, correction, update, I mean, or rather, make that, my mistake, my bad, on reflection, on second thought, else,
otherwise, scratch that, wait, sorry, no, нет, nein, non, sonst, sinon, иначе, 不对, 更正, いや, 訂正
"""
# Says why or compares: the value behind it does not replace the one before.
EXPLAINS = """
because, since, as, for, given, than, from, with, like, versus, vs, to, of, in, over, has, have, had, and,
or, both, weil,
denn, da, als, car, parce que, puisque, que, porque, pues, perché, omdat, want, потому, чем, 因为, 比, より
"""
AMISS = "wrong, incorrect, not right, isn't right, not correct, isn't correct, false, mistake*, error*, misread"

# --- how a value is introduced ----------------------------------------------------------------------------------------

MISTAKES = """
wrong, incorrect, invalid, bad, buggy, broken, faulty, mistaken, counterexample, counter-example, instead of,
rather than,
unlike, falsch, falsche, fehlerhaft, faux, fausse, incorrecto, incorrecta, sbagliato, sbagliata, errado, errada,
неверн*, неправильн*, ошибочн*, 错误, 誤り, 틀린
"""
USES = "use, run, write, return, say, do, reply, answer, send, give, be, look, choose, recommend, try"
EXAMPLES = """
for example, for instance, e.g., example, such as, alternatively, alternative, another way, another option, original,
originally, your code, input, given, before, draft, first attempt, naive, first try, schema, template, usage, test,
zum Beispiel, z.B., Eingabe, par exemple, entrée, por ejemplo, entrada, per esempio, ingresso, por exemplo, например,
例如, 比如, 例えば, 예를, 输入, 入力
"""
FINALS = """
final, finally, corrected, correction, correct, right, fixed, fix, instead, improved, updated, complete, meant, mean,
richtig, korrigiert, corrigé, correcto, corregido, corretto, corrigido, верно, правильно, исправлен*, 正确, 正しい,
정답
"""
ANSWERS = """
answer, output, result, reply, solution, Antwort, Ergebnis, Lösung, réponse, résultat, respuesta, resultado,
risposta,
risultato, resposta, ответ, 答案, 输出, 答え, 답
"""

# --- what announces an answer -----------------------------------------------------------------------------------------

ANSWER_NOUNS = """
ans, answer, answers, result, solution, verdict, conclusion, prediction, sentiment, label, category, classification,
class,
team, total, sum, score, rating, grade, language, topic, intent, pick, statement, claim, relation, priority,
the option, this option, the choice, the letter, the one,
Antwort, Antworten, Lösung, Ergebnis, Endergebnis, réponse, résultat, respuesta, resultado, solución, risposta,
risultato,
resposta, antwoord, odpowiedź, odpowiedz, svaret, svar, vastaus, válasz, răspuns, răspunsul, cevap, yanıt, odgovor,
odpověď, odpoveď, atsakymas, vastus, đáp án, câu trả lời, jawaban, jawabannya, jawapan,
ответ, результат, відповідь, отговор, одговор, απάντηση, جواب, الجواب, إجابة, الإجابة, תשובה, התשובה, उत्तर,
जवाब, پاسخ, উত্তর, 答案, 答え, 回答, 解答, 正解, 結果, 结果, 情感, 정답, 답, คำตอบ
"""
CHOSEN = (
    "correct, right, best, final, my, chosen, selected, richtige, korrekte, bonne, correcta, corretta, giusta, correta"
)
CHOICES = "option, choice, statement, letter, one, selection, pick, guess, value, number, opción, opzione, opção"
# Between the noun and the answer.
COPULAS = """
is, was, are, would be, will be, should be, must be, has to be, might be, equals, remains, becomes, isn't, wasn't,
ist, lautet, wäre, sind, est, serait, es, sería, è, sarebbe, é, seria, és, jest, brzmi, är, er, este, είναι, je,
е, это, هو, هي, הוא, היא, است, है, là, adalah, ialah, 是, 为, 為, は
"""
CHOOSING = """
choose, chose, pick, picked, select, selected, say, go with, going with, go for, vote, vote for, opt for, answer,
believe,
think, guess, classify, classify it, label, rate, conclude, choosing, confident
"""
AND_SO = """
it, this, that, as, it's, it is, this is, is, to be, with, a, an, would be, must be, the answer, the sentiment,
the label, the review
"""
CHOOSES = """
let's go with, ich wähle, ich nehme, ich sage, ich denke, je choisis, je dirais, je pense, elijo, diría, escojo,
scelgo, direi,
escolho, diria, ik kies, wybieram, я выбираю, выбираю, я считаю, jag väljer, jeg vælger, jeg velger, seçiyorum,
我选, 我选择, 我選, 我選擇, 选择, 選擇, 应选, 應選, 应该选
"""
IT_IS = """
it's, it is, it must be, it would be, it has to be, this is, this must be, that is, that's, go with, going with,
go for,
belongs to, belongs to the, goes to, goes to the, must be, has to be, rate this as, classify this as, label this as
"""
AND_OR = """
or, and, as well as, oder, und, ou, et, o, y, e, u, eller, och, og, of, en, lub, i, veya, ve, to, through, или, и,
、, 或, 和, 与, か, と, 또는, 나, 와
"""
CALLED_RIGHT = """
correct, right, best, true, answer, richtig*, korrekt*, bonne, juste, corrett*, giust*, cert*, corret*, rätt,
riktig*, rigtig*,
juist, poprawn*, верн*, правильн*, 正确, 正しい, 正解
"""
CALLED_RIGHT_UNSPACED = """
是正确, 是對, 是对, 正确, が正解, が正しい, 이 정답, 가 정답, 이 맞, 가 맞
"""
# Labels that are words of ordinary sentences: a mention of them chooses nothing ("there is no way", "the other one").
ORDINARY_WORDS = """
no, a, i, o, e, y, u, in, on, it, to, so, or, and, not, non, si, ja, ne, nie, none, other, any, all, true, false,
right,
left, up, down, may, can, will, is, one, an, as, at, be, by, do, go, he, if, me, my, of, us, we, both, same, good
"""

# --- numbers ----------------------------------------------------------------------------------------------------------

MONTHS = """
Jan, January, Januar, Feb, February, Februar, Mar, March, März, Apr, April, May, Mai, Jun, June, Juni, Jul, July,
Juli, Aug,
August, Sep, Sept, September, Oct, Okt, October, Oktober, Nov, November, Dec, Dez, December, Dezember,
janvier, février, mars, avril, juin, juillet, août, septembre, octobre, novembre, décembre, enero, febrero, marzo,
abril,
mayo, junio, julio, agosto, septiembre, octubre, noviembre, diciembre, gennaio, febbraio, aprile, maggio, giugno,
luglio,
settembre, ottobre, dicembre, janeiro, fevereiro, março, maio, junho, julho, setembro, outubro, dezembro,
января, февраля, марта, апреля, мая, июня, июля, августа, сентября, октября, ноября, декабря
"""
SCALES = {
    12: "dozen, Dutzend, douzaines, docenas",
    100: "hundred, cien, cento, ratus, trăm, ร้อย",
    1_000: """thousand, tausend, mille, mila, duizend, tys, тыс, тысяча, тысячи, тысяч, tusen, tusind, bin, ألف,
        हज़ार, हजार, 千, 천, Tsd, tysiąc, tysiące, tysięcy,
        tisíc, tisíce, ezer, tuhat, tuhatta, тисяч, тисячі, хиляди, ribu, rb, elfu, libo, nghìn, ngàn, พัน, χίλια,
        χιλιάδες, אלף, אלפים, هزار, آلاف, duizenden""",
    10_000: "万, 萬, 만, หมื่น",
    100_000: "lakh, lakhs, लाख, แสน",
    1_000_000: """million, millions, mio, mln, Millionen, millón, millones, milione, milioni, milhão, milhões, milion,
        miliony, milionów, miljoen, miljon, miljoner, millioner, млн, миллион, миллиона, миллионов, milyon, مليون,
        百万, 백만, juta, jt, triệu, ล้าน, εκατομμύριο, εκατομμύρια, מיליון, میلیون, ملايين, miljoonaa, millió,
        milionu, milioane, мільйон, мільйонів, милиона""",
    10_000_000: "crore, crores, करोड़",
    100_000_000: "亿, 億, 억",
    1_000_000_000: """billion, billions, bn, Milliarde, Milliarden, mrd, milliard, milliards, miliardo, miliardi,
        bilhão, bilhões, miliard, miliardy, miljard, miljarder, mld, млрд, миллиард, миллиарда, миллиардов, milyar,
        mil millones, mil milhões, مليار, miliar, tỷ, tỉ, พันล้าน, δισεκατομμύρια, מיליארד, میلیارد, अरब, мільярд,
        мільярдів, miljardia, milliárd""",
    1_000_000_000_000: """trillion, trillions, Billionen, billones, bilioni, 兆, 조, трлн, триллион, триллиона,
        триллионов""",
}
# A number behind it is the end of a range, not a quantity.
BOUNDS = """
more than, less than, greater than, fewer than, higher than, lower than, larger than, smaller than, other than,
better than,
worse than, at least, at most, over, under, above, below, up to, between, exceeds, exceeding, nearly, almost,
minimum of,
maximum of, than or equal to, mehr als, weniger als, mindestens, höchstens, über, unter, bis zu, plus de, moins de,
au moins, au plus,
más de, menos de, al menos, como máximo, più di, meno di, almeno, al massimo, mais de, pelo menos, meer dan,
minder dan,
более, менее, больше, меньше, не менее, не более, 超过, 少于, 至少, 多于, 不到, 最多
"""
# A number behind it is an operand.
OPERATORS = """
half, half of, third of, quarter of, fifth of, double, twice, triple, percent of, per cent of, root of, square of,
cube of, log,
logarithm of, power of, multiple of, factor of, divided by, multiplied by, times
"""
BETWEEN_NUMBERS = """
to, through, thru, until, till, or, and, plus, minus, times, divided by, modulo, mod, of, out of, vs, per, in, x,
by, percent of,
bis, à, a, do, до, tot, til, oder, und, ou, et, o, u, y, e, или, и, mal, von, de, sur, su, 至, 到, から, か, 或, 和,
と, 또는, 에서
"""
# Between two numbers that are one quantity: 3 hours 20 minutes.
COMPOUND_UNITS = """
hours, hour, hrs, hr, h, minutes, minute, min, feet, foot, ft, pounds, pound, lbs, lb, dollars, euros, stone, days,
day, weeks,
years, year, months, degrees, Stunden, Stunde, Minuten, heures, heure, horas, hora, ore, uur, timmar, часов, часа,
час
"""
# A number behind it counts or names something in the text.
REFERENCES = """
verse, volume, vol, lesson, paragraph, article, phase, round, question, questions, problem, problems, exercise,
exercises, step, steps, part, parts, page, pages, p, pp, table, tables, figure,
figures, fig, section, sections, chapter, chapters, equation, equations, eq, example, examples, case, method, line,
note, ref,
task, item, option, options, appendix, version, ver, number, no, nr, num, q,
schritt, frage, aufgabe, seite, kapitel, tabelle, étape, tableau, paso, pregunta, página, parte, passo, domanda,
pergunta,
шаг, вопрос, страница, etapa, krok, steg, stap, vraag, 第
"""
# Capitalised where a sentence starts, and yet no name: "Only 5".
NO_NAMES = """
only, exactly, about, just, around, roughly, approximately, total, altogether, overall, thus, therefore, hence,
equals, result,
answer, with, from, after, since, until, there, were, have, this, that, these, those, what, when, then, over, under,
also, nearly,
almost, another, maybe, perhaps, probably, so, in, on, at, by, for, of, to, it, is, he, she, and, or, yes, no, if,
as, has, i,
we, they, you, not, all, ans, antwort, ergebnis, insgesamt, genau, etwa, circa, ungefähr, rund, exactement, environ,
exactamente, unos, en, el, la, le, les, il, im, es, sind
"""
NUMBER_WORDS = """
zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen,
sixteen, seventeen,
eighteen, nineteen, twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety, hundred, thousand, half, twice,
double,
null, zwei, drei, vier, fünf, sechs, sieben, acht, neun, zehn, elf, zwölf, deux, trois, quatre, cinq, huit, neuf,
dix, dos, tres,
cuatro, cinco, seis, siete, ocho, nueve, diez, due, tre, quattro, cinque, sei, sette, otto, nove, dieci, два, три,
четыре, пять,
none, unknown, undefined, infinite
"""
