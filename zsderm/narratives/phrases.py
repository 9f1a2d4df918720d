"""What people say for the answers of a questionnaire: clauses, by answer and by yes, no or not known.

Nothing is added to an answer: no duration, cause or habit that the table does not have. In a clause {I}, {me}, {my} and
{am} stand for whoever has the spot: "I" or, where somebody writes for another person, "they". Clauses begin in small
letters and end without a full stop; the spot is "it" in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

YES, NO, UNKNOWN = "yes", "no", "unknown"
Bank = Mapping[str, Mapping[str, tuple[str, ...]]]

CLAUSES: Bank = {
    "itch": {
        YES: (
            *("it itches", "it is itchy", "it does itch", "{I} keep scratching it", "it makes {me} want to scratch"),
            *("there is an itch to it", "it has been itching", "{I} feel it itching", "it itches, {I} have to say"),
        ),
        NO: (
            *("it does not itch", "it is not itchy", "it has never itched", "{I} have no itching there", "no itching"),
            *("it doesn't itch at all", "{I} never feel like scratching it", "as for itching, there is none"),
        ),
        UNKNOWN: (
            *("{I} cannot say whether it itches", "whether it itches, {I} don't know", "not sure about itching"),
            "if it ever itched {I} did not notice",
        ),
    },
    "grew": {
        YES: (
            *(
                "it has grown",
                "it has got bigger",
                "it is bigger than it was",
                "it was smaller before",
                "it is growing",
            ),
            *("it started out smaller", "it has been getting bigger", "{I} {am} sure it has grown", "it got larger"),
            "there is more of it than there used to be",
        ),
        NO: (
            *("it has not grown", "it has stayed the same size", "it is no bigger than before", "it isn't growing"),
            *("{I} don't think it has got any bigger", "the size is what it always was", "it hasn't got any larger"),
        ),
        UNKNOWN: (
            *("{I} cannot say whether it has grown", "{I} don't know if it got bigger", "no idea if it has grown"),
            *("{I} never looked whether it was growing", "it may have grown or not, {I} have not kept an eye on it"),
        ),
    },
    "hurt": {
        YES: (
            *(
                "it hurts",
                "it is sore",
                "it is painful",
                "it gives {me} pain",
                "there is some pain in it",
                "it has hurt",
            ),
            *("it has been hurting", "{I} get pain from it", "it feels sore"),
        ),
        NO: (
            *("it does not hurt", "it is not sore", "it has never hurt", "{I} feel no pain there", "it is not painful"),
            *("no pain", "it doesn't hurt at all", "pain is not a problem", "{I} have no pain from it"),
        ),
        UNKNOWN: (
            *("{I} cannot really say whether it hurts", "whether it hurts, {I} don't know", "not sure about pain"),
            "if it ever hurt {I} did not notice",
        ),
    },
    "changed": {
        YES: (
            *("it has changed", "it looks different from before", "it is not the way it used to be", "it did change"),
            *("it does not look the way it did", "{I} noticed a change in how it looks", "its look has changed"),
        ),
        NO: (
            *(
                "it has not changed",
                "it looks the same as ever",
                "it looks as it always did",
                "no change in how it looks",
            ),
            *("{I} have seen no change in it", "it hasn't changed its look", "to look at, it is the same as before"),
        ),
        UNKNOWN: (
            *("{I} cannot say whether it has changed", "{I} don't know if it looked different before"),
            *(
                "no idea whether it changed",
                "whether it changed {I} could not tell you",
                "{I} did not follow how it looked",
            ),
        ),
    },
    "bleed": {
        YES: (
            *("it has bled", "it bleeds", "there was blood on it", "it has been bleeding", "some blood came out of it"),
            *("{I} have seen it bleed", "it did bleed", "it has bled on {me}"),
        ),
        NO: (
            *(
                "it has never bled",
                "it does not bleed",
                "it has not bled",
                "{I} have not seen any blood",
                "no bleeding",
            ),
            *("there has been no blood", "it hasn't bled", "blood {I} have never seen on it"),
        ),
        UNKNOWN: (
            *("{I} cannot say whether it has bled", "not sure if it ever bled", "{I} don't know about bleeding"),
            "if it bled {I} did not see it",
        ),
    },
    "elevation": {
        YES: (
            *("it is raised", "it sticks up from the skin", "it stands out a bit", "{I} can feel it with a finger"),
            *("it is not flat, it sticks out", "it is a bit of a bump", "you can feel it when you stroke over it"),
            "it rises above the skin round it",
        ),
        NO: (
            *("it is flat", "it lies flat", "it is level with the skin", "it does not stick up", "you cannot feel it"),
            *("with a finger {I} cannot feel anything", "it isn't raised", "it is flat, no bump"),
        ),
        UNKNOWN: (
            *("{I} cannot say whether it is raised", "{I} don't know if it is flat or raised"),
            "whether it sticks up {I} have not checked",
        ),
    },
}

FRAGMENTS: Bank = {
    "itch": {YES: ("itches", "itchy", "itching"), NO: ("no itch", "not itchy"), UNKNOWN: ("itch: not sure",)},
    "grew": {
        YES: ("growing", "got bigger", "has grown", "bigger now"),
        NO: ("same size", "not growing", "no bigger"),
        UNKNOWN: ("not sure if it grew", "growing? don't know"),
    },
    "hurt": {YES: ("hurts", "sore", "painful"), NO: ("no pain", "not sore"), UNKNOWN: ("pain: can't say",)},
    "changed": {
        YES: ("looks different now", "has changed", "changed"),
        NO: ("looks the same", "no change", "unchanged"),
        UNKNOWN: ("changed? don't know", "not sure if it changed"),
    },
    "bleed": {
        YES: ("bleeds", "has bled", "bled"),
        NO: ("no bleeding", "never bled", "no blood"),
        UNKNOWN: ("bled? not sure",),
    },
    "elevation": {
        YES: ("raised", "sticks up", "a bit raised"),
        NO: ("flat", "not raised"),
        UNKNOWN: ("raised? not sure",),
    },
}

# Of somebody to whom English is a second language.
LEARNED: Bank = {
    "itch": {
        YES: ("it is itching me", "it give me itch", "I have itch in it"),
        NO: ("it is not itching", "itch I don't have", "no itch"),
        UNKNOWN: ("itching I don't know",),
    },
    "grew": {
        YES: ("it become more big", "it is grow", "before it was more small"),
        NO: ("it don't grow", "it stay same size", "size is same"),
        UNKNOWN: ("if it grow I don't know", "I not look if it become big"),
    },
    "hurt": {
        YES: ("it make pain", "it is hurting me", "I have pain there"),
        NO: ("it don't hurt", "pain no", "is not pain"),
        UNKNOWN: ("pain, I cannot say",),
    },
    "changed": {
        YES: ("it look other than before", "it was change", "now it look different"),
        NO: ("it look same like before", "nothing is change in it", "it don't change"),
        UNKNOWN: ("if it change I don't know", "how it was before I don't remember"),
    },
    "bleed": {
        YES: ("it was bleeding", "blood come from it", "it make blood"),
        NO: ("it never bleed", "blood no", "it don't make blood"),
        UNKNOWN: ("if it bleed I did not see",),
    },
    "elevation": {
        YES: ("it is more high than skin", "I can feel it with finger", "it is little up"),
        NO: ("it is flat", "it is same level like skin", "is not up"),
        UNKNOWN: ("if it is flat I don't know",),
    },
}

# Several answers in one breath; {which} is a list of those below.
TOGETHER: Bank = {
    "feels": {
        YES: ("it {which}",),
        NO: ("it does not {which}", "it doesn't {which}", "it has never given {me} any {which}", "{I} have no {which}"),
    },
    "looks": {
        YES: ("it has {which}", "it has clearly {which}"),
        NO: ("it has not {which}", "it hasn't {which}", "{I} don't think it has {which}"),
    },
}
GROUPS: Mapping[str, tuple[str, ...]] = {"feels": ("itch", "hurt", "bleed"), "looks": ("grew", "changed")}
# How an answer is called there: after "it", after "not", and as a thing ("no itching, pain or bleeding").
THIRD = {"itch": "itches", "hurt": "hurts", "bleed": "bleeds", "grew": "grown", "changed": "changed"}
BARE = {"itch": "itch", "hurt": "hurt", "bleed": "bleed", "grew": "grown", "changed": "changed"}
THING = {"itch": "itching", "hurt": "pain", "bleed": "bleeding"}

NOUNS = ("spot", "spot", "thing", "mark", "place")  # that say nothing of size or shape
SUBJECTS = ("this {noun}", "the {noun}", "{my} {noun}")
REGIONS: Mapping[str, tuple[str, ...]] = {
    "FACE": ("face",),
    "BACK": ("back",),
    "CHEST": ("chest",),
    "FOREARM": ("forearm", "lower arm"),
    "ARM": ("arm",),
    "NOSE": ("nose",),
    "ABDOMEN": ("belly", "stomach", "tummy"),
    "NECK": ("neck",),
    "THIGH": ("thigh", "upper leg"),
    "EAR": ("ear",),
    "HAND": ("hand",),
    "FOOT": ("foot",),
    "LIP": ("lip",),
    "SCALP": ("scalp", "head, under the hair"),
}

WHERE = (
    *(
        "{I} have a {noun} on {my} {region}",
        "there is a {noun} on {my} {region}",
        "{I} have this {noun} on {my} {region}",
    ),
    *("it is about a {noun} on {my} {region}", "{my} {region} has a {noun} on it", "the {noun} is on {my} {region}"),
    *("{I} have got a {noun} on {my} {region}", "on {my} {region} there is a {noun}"),
)
WHERE_SHORT = ("{noun} on {my} {region}", "{my} {region}", "{noun}, {region}", "on {my} {region}")
WHERE_LEARNED = ("I have {noun} on my {region}", "In my {region} is one {noun}", "{noun} is on {region} of me")
AGE = ("{I} {am} {age}", "{I} {am} {age} years old", "{I} {am} {age} now", "{I} {am} {age}, if that matters")
AGE_ROUGH = ("{I} {am} in {my} {tens}", "{I} {am} in {my} {tens} now")
AGE_NEARLY = ("{I} {am} nearly {next}", "{I} {am} almost {next}")
AGE_SHORT = ("{age}", "age {age}", "{age} years old", "{age} y")
AGE_LEARNED = ("I have {age} years", "my age is {age}", "I am {age} year old")
BOTH = (
    *(
        "{I} {am} {age} and {I} have a {noun} on {my} {region}",
        "{I} {am} {age}, and there is a {noun} on {my} {region}",
    ),
    *("{I} {am} {age} years old with a {noun} on {my} {region}", "{I} have a {noun} on {my} {region} and {am} {age}"),
)

GREETINGS = (
    *("Hello.", "Hi there.", "Good morning.", "Hello doctor.", "Hello, thank you for reading this.", "Hi."),
    *("Good evening, sorry to trouble you.", "I hope this is the right place to ask.", "Hi, first time I do this."),
)
ASIDES = (
    *("I took the photo myself.", "Sorry if the picture is not very sharp.", "I am not good at describing things."),
    *(
        "I was told to write down everything.",
        "I am not one for going to the doctor.",
        "I hope I am not wasting your time.",
    ),
    *("My phone is old, so the picture is what it is.", "Hard to put into words.", "That is how I would put it."),
    *("I would rather ask than wonder.", "A friend said I should have it looked at."),
)
GOODBYES = (
    *("Thank you.", "Thanks for looking.", "What should I do?", "Please tell me what it is.", "That is all, I think."),
    *("I would like to know what it is.", "Is there anything I should do?", "Best wishes.", "Thanks in advance."),
    *("That's about it.", "I hope that helps."),
)
OTHERS = ("my partner", "my neighbour", "a relative", "somebody I look after", "a friend who does not type")
CHILDREN = ("my child", "our youngest", "my kid", "my grandchild")
FOR_OTHERS = ("I am writing for {who}.", "This is about {who}.", "I send this for {who}.", "It is not me, it is {who}.")
