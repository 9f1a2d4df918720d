"""Words of sentences that no photograph shows, and words that belong to one modality: closed lists, made by reading.

An entry is a word or a phrase in British spelling, and finds the American one as well. "*" stands for any ending, "~"
for up to two words in between. A word that is joined to the next by a hyphen is another word: "firm" does not find
"firm-looking", which is what an eye can say. `SEEN` holds phrases in which a listed word means something visible; they
are taken out before a list is searched.

Each list was read through on the bundled base before it was fixed; docs/knowledge_checks.md gives its figures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from zsderm.knowledge.authoring.checks.problem import ERROR, WARNING

# British spelling -> both: "odour", "generalised", "anaesthetic", "oedema".
_SPELLINGS = (("our", "ou?r"), (r"is(?=e[ds]?\b|ing)", "i[sz]"), ("ae", "a?e"), ("oe(?=dema)", "o?e"))


@cache
def compiled(entries: str) -> re.Pattern[str]:
    """A pattern of entries, one on a line or with ";" between them.

    >>> bool(compiled("soft~lump*; firm").search("a soft, pale lumpy mass"))
    True
    >>> bool(compiled("soft~lump*; firm").search("firm-looking"))
    False
    """
    parts = [part.strip() for part in re.split("[;\n]", entries) if part.strip()]
    parts.sort(key=len, reverse=True)  # the longest match is the one to show
    either = "|".join(re.escape(part).replace(r"\*", "[\\w'’]*").replace("\\~", "~") for part in parts)
    for british, both in _SPELLINGS:
        either = re.sub(british, both, either)
    between = "(?:,? [\\w'’-]+){0,2},? "
    return re.compile(rf"(?<![\w-])(?:{either.replace('~', between)})(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True)
class WordList:
    """Words that a sentence should do without.

    Attributes:
        check: the kind of check, as `Problem.check`.
        severity: of a finding.
        says: what is wrong with such a word, for the reader of a finding.
        entries: see the module.
    """

    check: str
    severity: str
    says: str
    entries: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The entries as a regular expression."""
        return compiled(self.entries)


SEEN = """
    hard palate; soft palate; hard to; contrasts hard; felt-tip; firm line; hot water; hot thing; hot object
    hot pad; hot iron; hot metal; hot oil; hot stove; hot liquid; hot weather; hot climate; ill-defined; pain-free
    burn mark*; burn scar*; sunburn*; year ring*; under two years; under one year; under a year
    aged beyond its years; far beyond its years; persistent hair*; sleeping side; sick-looking; unwell-looking
    slowly into; slowly at; slowly towards; slowly outward*; slowly to; quickly into; rapidly into; slowly out
    suddenly at; ends suddenly; stop suddenly; stops suddenly; begins suddenly; starts suddenly; changes suddenly
    sudden step; sudden edge; sudden change; sudden border; sudden stop; sudden end; sudden cut-off
    sudden transition; disappears into; disappear into; disappearing into; at first sight; at first glance
    of unlike; in unlike; movable lining; stiff edge; stiff hair*; stiff dark hair*; stiff black hair*
    in one patient; of one patient; same patient; infiltrated-looking; drug-like; honeycomb cell*; net cell*
    water under glass; pigment under glass
"""

NOT_SEEN = (
    WordList(
        "touch",
        ERROR,
        "is felt and not seen; say what the eye sees, or leave it out",
        """
        firm; firmer; firmness; rubbery; rubber-hard; rock-hard; stone-hard; wood-hard; hard; harder; hardness
        tender; tenderness; palpable; non-palpable; impalpable; palpated; palpation; fluctuant; fluctuating
        fluctuation; compressible; non-compressible; doughy; movable; moveable; mobile; immobile; pulsing; pulsating
        pulsation; pulsate*; to the touch; to touch; on touch; when touched; is felt; are felt; be felt; felt as
        felt on; felt under; felt and; feels; feel like; feels like; by feel; inelastic; hot; warmth; warm to
        warm skin; warm~plaque; warm~swelling; warm~redness; cold skin; cold~toe*; cold~finger*; cooler skin
        cool skin; hotter; induration; soft~lump*; soft~bump*; soft~swelling*; soft~nodule*; soft~mass*; soft~knob*
        soft~plaque*; soft~papule*; soft~fullness; soft~tumour*; soft~growth*; soft~cushion*; soft and compressible
        soft to; softer than; moves under; move under; slides under; slide under
        """,
    ),
    WordList(
        "touch",
        WARNING,
        "may be felt and not seen; keep it only where the eye sees it",
        """
        hardened; indurated; boggy; woody; rigid; stiff; stiffened; stiffening; pliable; elastic skin; tethered
        soft~dome*; soft~bead*; soft~tag*; soft~flap*; soft~bag*; soft~pouch*; soft~sac*; soft~blister*; soft~fold*
        soft, fleshy; soft fleshy; softness; spongy; weightless; heavy~lump*; heavy~bag*; elasticity
        """,
    ),
    WordList(
        "manoeuvre",
        WARNING,
        "needs a hand, a glass or a light, which most photographs lack",
        """
        when pressed; on pressure; under pressure; glass pressure; under a pressed; pressed glass; under glass
        glass slide; diascopy; when squeezed; on squeezing; when pinched; on pinching; when stretched; when stroked
        when wiped; wiped dry; wipe* off; wipe* away; wiped away; scrape* off; scrape* away; scraped away
        scraping away; rubbed away; be rubbed off; when rubbed; when scratched; when scraped; after paring
        after shaving; blanch; blanches; blanching; non-blanching; transillumina*; be squeezed; being squeezed
        can be moved; moves with; move with; bent back; wood's lamp; wood's light; ultraviolet; when cut; cut open
        under the blade; pulled away; will not pinch; cannot be pinched; pinched up; pressed out; finger pressed
        fingertip pressed; when lifted; pressure of the lens; pressure of the glass; was pressed; was stroked; stroked
        to pinprick; push back; pushed back; finger pressure; fingertip pressure; thumb pressure; under the finger
        under the fingers; under a finger; under the thumb; is squeezed; squeezed between two; pits when; pitting oedema
        """,
    ),
    WordList(
        "symptom",
        ERROR,
        "is a complaint and not a look",
        """
        itch; itchy; itching; itches; itchiness; itch-free; pruritic; pruritus; pain; painful; painfully; painless
        pains; hurt; hurts; hurting; sore to; soreness; burning; stinging; tingling; numb; numbness; fever; feverish
        fevers; malaise; throbbing; aching; aches; sensation*; insensitive; anaesthetic; feelingless; smelly; smell
        smells; foul-smelling; odour; odourless; tired; hoarse; unwell; ill person; ill child; discomfort; headache*
        cough; joint pains; chills; weakness; painlessness; scratchable; foul; illness
        """,
    ),
    WordList(
        "course",
        ERROR,
        "tells what came before or comes after, and a picture has no before",
        """
        hours; days; weeks; months; year; years; week; month; decades; lifelong; long-standing; longstanding
        long-lasting; since birth; from birth; present at birth; at birth; since infancy; since childhood
        from infancy; from childhood; recur; recurs; recurring; recurrent; recurrence*; reappear; reappears
        reappearing; re-appear; re-appears; relapse*; relapsing; returns; keeps returning; come and go
        comes and goes; coming and going; slowly; rapid; rapidly; quickly; suddenly; sudden; overnight; eventually
        over time; with time; in time; fleeting; transient; temporary; permanent; permanently; lasting; lasts
        lasted; persisted; persisting; persistent; persistently; attack; attacks; bouts; episode*; chronic
        chronically; acute; acutely; progressive; progressively; progresses; enlarges; enlarging; slow-growing
        fast-growing; has grown; have grown; grew; heals with; heals as; heals to; heals leaving; healing leaves
        vanishes within; disappears; disappear; disappearing; never heals; non-healing; earlier attack; seen earlier
        weeks earlier; previously; formerly; outlast*; stable for; from the start; late stage*; early stage*; end-stage
        nearly gone; almost gone; worsen*; has begun to; have begun to; has started to; have started to; has swollen
        have swollen; about to; before any; went away; going away; first, then; grows rapidly; grows quickly
        heals; heal; fortnight*; comes back; came back; leaves a scar; leaves scars; leave a scar; leave scars
        leaving a scar; leaving scars; leaves no scar; without leaving
        """,
    ),
    WordList(
        "course",
        WARNING,
        "may tell of time; one picture shows one moment",
        """
        later; soon; soon after; at first; in winter; every winter; each winter; in summer; every summer
        each summer; in spring; every spring; spring sun; seasonal; over years; finally; begins as; starts as
        began as; becomes; became; turns into; develops; developing; repeatedly; persist; persists; sheds a; sheds its
        ready to burst; ready to shed
        """,
    ),
    WordList(
        "laboratory",
        ERROR,
        "is known from a laboratory, a history or a theory and not from a picture",
        """
        biops*; histolog*; microscope; microscopic; microscopically; microscopy; culture; cultures; serolog*
        antibod*; blood test*; gene; genes; genetic; mutation*; x-ray*; ultrasound; radiograph*; inherited
        hereditary; family trait; family form; hormone*; hormonal; germs; bacteria; bacterial; virus; viral; fungus
        dermatophyte*; yeast; yeasts; autoimmune; immune; lymphoid; lymphocyt*; collagen; fibrosis; dermis; oxygen
        lipid*; enzyme*; deficien*; inflammatory; infiltrates; underlying disease; internal disease; diagnos*
        neoplas*; benign; malignant; malignancy; hiv; hiv-positive; hiv-infected; cd4; immunosuppress*
        immunocompromised; immunodeficien*; viral load; blood count*; white cells; platelet*; eosinophil*; neutrophil*
        hyphae; koh; metastasise*; acanthosis; spongio*; acantholy*; parakerato*; orthokerato*; dyskerato*
        hypergranulosis; papillomatosis; keratinocyt*; melanocyt*; fibroblast*; histiocyt*; leucocyt*; leukocyt*; mitos*
        ige; igg; iga; igm; potassium hydroxide; spore; spores; fungal; fungi; pcr; swab; swabs; immunofluorescence
        antigen*; titre*; titer*; tests; test result*; patch test*; prick test*; eosinophilia; blood sugar; laboratory
        """,
    ),
    WordList(
        "laboratory",
        WARNING,
        "may be a term of histology or a cause, and not a look",
        """
        infiltrate; infiltrated; infiltration; epidermis; epidermal; dermal; subcutaneous; cells; fatty core
        infection; harmless; allergic; allergy; autosomal; poor circulation; poor blood flow; diabetes; diabetic
        """,
    ),
    WordList(
        "history",
        ERROR,
        "is told by whoever has the disease, and not by a picture",
        """
        patient; patients; started after; starts after; began after; begins after; appeared after; appears after
        after taking; after eating; after exposure; after contact with; after a bite; insect's puncture
        puncture of an insect; crushing blow; after a blow; earlier rash; earlier shave; earlier lesion*
        pustules had been; inflammation was; once inflamed; teats; milked; milking
        owner; owner's; whose owner*; occupation*; profession; smoker; smokers; who works; who live*; travel*
        was filed; were filed; was pared; was shaved; was treated; was injected
        """,
    ),
    WordList(
        "treatment",
        WARNING,
        "speaks of treatment, which a picture does not tell",
        """
        treated; treatment; untreated; therapy; antibiotic*; steroid*; ointment*; chemotherapy; medicine; medicines
        medication*; drug; drugs; tablet; tablets; antifungal*; respond; responds; response; cured; cure; excised
        excision; operation; operated; laser; injection; injected; surgery; pared; paring; after removal
        """,
    ),
)

# A sentence about another disease: what an image and a text are compared by is what is named, not its absence.
RIVAL = """
    unlike; in contrast to; whereas; rather than; instead of; as opposed to; speaks against; speak against
    argues against; argue against; distinguish*; sets it apart; set it apart; tells it from; tell it from
    would differ; compared with; compared to; belong to another; belongs to another
"""

# A sentence that begins with what is absent; "no bigger than a lentil" and "not quite round" say what is there.
ABSENT = re.compile(
    r"\s*(?:no|not|without|neither|none|never|lacks?|lacking)\b"
    r"(?! (?:quite|always|only|just|far|much|more|\w+er than))",
    re.IGNORECASE,
)

# Seen only through a dermatoscope, or called so only there.
DERMOSCOPIC = """
    dermoscop*; dermatoscop*; trichoscop*; onychoscop*; under magnification; on magnification; magnified
    polarised light; clod; clods; globule; globules; lacuna; lacunae; lacunes; white rosette*; pseudonetwork
    pigment network; negative network; atypical network; blue-white veil; milia-like; comedo-like opening*
    leaf-like area*; spoke-wheel*; pseudopod; pseudopods; radial streaming; chrysalis*; shiny white streak*
    shiny white line*; structureless; peripilar; hairpin vessel*; hairpin-like vessel*; looped vessel*
    dotted vessel*; coiled vessel*; glomerular vessel*; serpentine vessel*; comma vessel*; arborising vessel*
    branching vessel*; polymorphous vessel*; hairpin loop*; red dots and globules; ovoid nest*; annular-granular
    rhomboidal structure*; parallel ridge pattern; parallel furrow pattern; fibrillar pattern
    fingerprint-like structure*; targetoid follicle*
"""

# Light from one side, and the shadow it casts: a dermatoscope lights the skin from all sides and lies flat upon it.
RAKING = """
    side light; side-light; sidelight; slanting light; oblique light; raking light; grazing light; light from the side
    low light; casts a shadow; cast a shadow; casting a shadow; cast shadow; throws a shadow; shadow at the edge
"""

# A dermatoscope sees a field of one centimetre: no body, no arrangement over a region, no other side.
REGIONAL = """
    trunk; torso; limbs; limb; back and nape; upper back; lower back; both legs; both arms; both cheeks; both hands
    both feet; both palms; both soles; both shins; both knees; both elbows; one-sided; whole body; whole trunk
    body-wide; all over the body; over the body; universal; generalised; widespread; shoulders; the abdomen
    rounded abdomen; belly; buttocks; buttock; thigh; thighs; shin; shins; forearm; forearms; upper arm; upper arms
    elbow; elbows; knees; knee; armpit; armpits; groin; groins; the flank; flanks; chest; breast; breasts; neckline
    waist; waistline; waistband; calf; calves; ankle; ankles; wrist; wrists; knuckle; knuckles; the hands; the feet
    other hand; other foot; other leg; other side; hands and feet; palms and soles; arms and legs; cape-like
    necklace-like; mask-like; butterfly shape*; butterfly-shaped; christmas-tree; hairline; both ears; ear rims
    lower legs; lower leg; upper lip; jawline; clothing
"""
