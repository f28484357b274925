#!/usr/bin/env python3
"""Writes moves.csv, the bundled input of the `transfer` example (always the same bytes), and prints
what a reader must find in it. Usage: python3 moves.py > moves.csv"""

import random
import sys

SITES = """协和|Ruijin|Charité|Karolinska|Mayo Clinic|Johns Hopkins|Guy's|Addenbrooke's|Hôpital Necker
Pitié-Salpêtrière|Hospital Clínic, Barcelona|Vall d'Hebron|Policlinico Gemelli|San Raffaele
Rigshospitalet|Oslo universitetssykehus|Sahlgrenska|HUS Helsinki|Landspítali|Universitätsspital Zürich
AKH Wien|Motol, Praha|Szent János|Dubrava|Evangelismos|Hacettepe|Hadassah|Sheba|Aga Khan|AIIMS|Apollo
Siriraj|Bạch Mai|西京|华西|瑞金北院|Queen Mary|台大|서울대|세브란스|東大|慶應|Peter Mac|Auckland City
Groote Schuur|Incor, São Paulo|El Salvador|Toronto General|Mass General|UCSF"""
# Families, given names, and which comes first.
PEOPLE = [
    ("王|李|张|刘|陈|杨|赵|周", "芳|伟|敏|静|磊|洋|雪|建国|晓明|文博", "{0}{1}"),
    ("佐藤|鈴木|高橋|田中|伊藤", "葵|蓮|陽菜|湊|結衣|翔太", "{0} {1}"),
    ("김|이|박|최", "민준|서연|지우|하은|도윤|수빈", "{0}{1}"),
    ("Nguyễn|Trần|Lê|Phạm", "Thị Lan|Văn Minh|Thu Hà|Quốc Bảo", "{0} {1}"),
    ("Sharma|Iyer|Khan|Yılmaz|Cohen|Papadaki|Horvat|Kovács|Novák|Müller|Schäfer|Østergård|Lindqvist",
     "Ana|Bo|Chloé|Dara|Élise|Femi|Grace|Hugo|İpek|Jonas|Katya|Leïla|Marek|Noor", "{1} {0}"),
    ("Virtanen|Rossi|García|Núñez|Lefèvre|O'Neill|Okafor|Dlamini|Silva|da Costa",
     "Olu|Paula|Quim|Rosa|Søren|Tomás|Ulla|Vera|Wanjiru|Ximena|Yusuf|Zoë", "{1} {0}"),
]

ROWS, RESEARCHERS = 12_800, 440
random.seed(50)


def words(text):
    return text.replace("\n", "|").split("|")


def cell(text):
    """One CSV field."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def row(*fields):
    return ",".join(cell(field) for field in fields)


sites = words(SITES)
assert len(sites) == len(set(sites)) == 50
people = [order.format(f, g) for families, given, order in PEOPLE for f in words(families) for g in words(given)]
random.shuffle(people)
people = people[:RESEARCHERS]
people[7] = 'Grace "Amazing" O\'Neill'
at = {}
tally = dict.fromkeys(["done", "malformed", "unknown site", "self-move", "not there"], 0)
lines = [row("sites", *sites)]


def emit(kind, text):
    tally[kind] += 1
    lines.append(text)


def move(who, to, start=None):
    here = at.get(who) or start or random.choice([site for site in sites if site != to])
    emit("done", row(who, here, to))
    at[who] = to


while len(lines) <= ROWS:
    who, site = random.choice(people), random.choice(sites)
    here, dice = at.get(who), random.random()
    if dice < 0.03:  # a row that is no move
        emit("malformed", random.choice([
            row(who, site),
            row(who, here or site, site, "2024-03-01"),
            row("", here or site, site),
            row(who, "", site),
            row(who, here or site, "  "),
            f'"{who},{site},{site}',
            f'{who},"{site},{sites[0]}',
            who,
        ]))
    elif dice < 0.06:
        emit("unknown site", row(who, here or site, random.choice(["Hogwarts", "協和", "charité", "St. Elsewhere"])))
    elif dice < 0.09:
        emit("self-move", row(who, here or site, here or site))
    elif dice < 0.13 and here:  # from where they are not
        there = random.choice([other for other in sites if other not in (here, site)])
        emit("not there", row(who, there, site))
    elif dice < 0.45:  # two who change places, a few rows apart at most
        other = random.choice(people)
        if other != who and here and at.get(other) and at[other] != here:
            theirs = at[other]
            move(who, theirs)
            move(other, here)
        elif here is None or here != site:
            move(who, site)
    elif here != site:
        move(who, site)

sys.stdout.reconfigure(encoding="utf-8", newline="\n")
print("\n".join(lines))
print(f"{len(lines) - 1} rows, {len(at)} researchers moved: {tally}", file=sys.stderr)
