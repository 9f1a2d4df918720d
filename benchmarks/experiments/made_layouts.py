"""The layouts of made books: each draws a page or two, and tells what is on them."""

from __future__ import annotations

from collections.abc import Callable

from zsderm.benchmarks.experiments.made_books import CHINESE, Book

Layout = Callable[[Book], None]
LAYOUTS: dict[str, Layout] = {}
GAP = 22.0  # points between a figure and the text around it


def layout(name: str) -> Callable[[Layout], Layout]:
    """Give a layout its name."""

    def named(draw: Layout) -> Layout:
        LAYOUTS[name] = draw
        return draw

    return named


def draw(book: Book, name: str) -> None:
    """Draw the pages of one layout in a style of their own."""
    book.layout = name
    LAYOUTS[name](book)
    book.next_page()


def draw_figure(book: Book, x: float, y: float, width: float, height: float, *, above: bool = False) -> float:
    """A picture with its caption below or above; where both end."""
    label, caption = book.label(), book.supply.caption()
    if above:
        y = book.caption(label, caption[0], x, y, width) + book.gap
        book.tell(book.photo(x, y, width, height), caption)
        return y + height
    book.tell(book.photo(x, y, width, height), caption)
    return book.caption(label, caption[0], x, y + height + book.gap - 3, width)


def _column(book: Book, *, above: bool) -> None:
    """Two figures in one column with text around them."""
    x, width = book.margin, book.width - 2 * book.margin
    y = book.write(book.supply.words(book.rng.randint(2, 5)), x, 60, width)
    for _ in range(2):
        wide = width * book.rng.uniform(0.45, 1.0)
        y = draw_figure(book, x, y + GAP, wide, min(200, wide * book.rng.uniform(0.5, 0.9)), above=above)
        y = book.write(book.supply.words(book.rng.randint(1, 3)), x, y + GAP, width)


@layout("one column, caption below")
def _below(book: Book) -> None:
    _column(book, above=False)


@layout("one column, caption above")
def _above(book: Book) -> None:
    _column(book, above=True)


@layout("caption beside")
def _beside(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    left = book.rng.random() < 0.5
    for _ in range(book.rng.choice((2, 3))):
        wide = width * book.rng.uniform(0.45, 0.55)
        height = wide * book.rng.uniform(0.6, 0.75)
        label, caption = book.label(), book.supply.caption(1)
        narrow = width - wide - book.gap - 6
        book.tell(book.photo(x + (narrow + book.gap + 6 if left else 0), y, wide, height), caption)
        tall = book.caption_height(label, caption[0], narrow)
        start = y + book.rng.choice((0.0, 0.5, 1.0)) * max(0.0, height - tall)
        book.caption(label, caption[0], x if left else x + wide + book.gap + 6, start, narrow)
        y += max(height, tall) + GAP
    book.write(book.supply.words(3), x, y, width)


@layout("two columns")
def _two_columns(book: Book) -> None:
    gutter = book.rng.uniform(14, 24)
    width = (book.width - 2 * book.margin - gutter) / 2
    for column in range(2):
        x, y = book.margin + column * (width + gutter), 60.0
        y = book.write(book.supply.words(book.rng.randint(4, 7)), x, y, width)
        y = draw_figure(book, x, y + GAP, width, width * book.rng.uniform(0.5, 0.8))
        y = book.write(book.supply.words(book.rng.randint(2, 4)), x, y + GAP, width)
        if y < 520 and book.rng.random() < 0.7:
            draw_figure(book, x, y + GAP, width, 150)


@layout("two figures side by side")
def _pair_of_figures(book: Book) -> None:
    x, between = book.margin, book.rng.uniform(10, 24)
    width = (book.width - 2 * book.margin - between) / 2
    y = book.write(book.supply.words(3), x, 60, 2 * width + between)
    for _ in range(2):
        height, ends = width * book.rng.uniform(0.6, 0.9), []
        for column in range(2):
            ends.append(draw_figure(book, x + column * (width + between), y + GAP, width, height))
        y = max(ends)


@layout("two pictures, one caption")
def _shared(book: Book) -> None:
    x, between = book.margin, book.rng.uniform(4, 14)
    width = (book.width - 2 * book.margin - between) / 2
    y = book.write(book.supply.words(3), x, 60, 2 * width + between)
    for _ in range(2):
        height = width * book.rng.uniform(0.6, 0.9)
        label, caption = book.label(), book.supply.caption(book.rng.choice((1, 2)))
        for column in range(2):
            book.tell(book.photo(x + column * (width + between), y + GAP, width, height), caption)
        y = book.caption(label, caption[0], x, y + GAP + height + book.gap - 3, 2 * width + between)
    book.write(book.supply.words(2), x, y + GAP, 2 * width + between)


def _parts(book: Book, x: float, y: float, width: float, *, count: int, columns: int, above: bool = False) -> float:
    """A figure of several pictures with one caption in parts."""
    rng, between = book.rng, book.rng.uniform(4, 10)
    form = rng.choice(("({}) ", "({}) ", "{}. ", "{}, ", "{}) "))
    upper = form in ("{}. ", "{}, ")
    letters = [chr(ord("A" if upper else "a") + n) for n in range(count)]
    stem = book.supply.caption(1)
    told = [book.supply.told() for _ in letters]
    printed = stem[0] + "".join(f" {form.format(letter)}{text}" for letter, text in zip(letters, told, strict=True))
    label = book.label()
    if above:
        y = book.caption(label, printed, x, y, width) + book.gap
    wide = (width - (columns - 1) * between) / columns
    height = wide * rng.uniform(0.6, 0.8)
    marked = rng.random() < 0.5
    for place, (letter, text) in enumerate(zip(letters, told, strict=True)):
        left, top = x + place % columns * (wide + between), y + place // columns * (height + between)
        seen = book.photo(left, top, wide, height)
        if marked:
            book.canvas.setFillGray(1)
            book.canvas.setFont("Helvetica-Bold", 10)
            book.canvas.drawString(left + 5, book.height - top - 14, letter)
            book.canvas.setFillGray(0)
        book.tell(seen, (printed, f"{stem[1]} {text}", stem[2], stem[3]), printed)
    y += -(-count // columns) * (height + between) - between
    return y if above else book.caption(label, printed, x, y + book.gap - 3, width)


@layout("parts (a) to (f), one caption")
def _lettered(book: Book) -> None:
    x, width = book.margin, book.width - 2 * book.margin
    count = book.rng.randint(2, 6)
    columns = count if count <= 3 else book.rng.choice((2, 3))
    y = book.write(book.supply.words(2), x, 60, width)
    y = _parts(book, x, y + GAP, width, count=count, columns=columns, above=book.rng.random() < 0.2)
    book.write(book.supply.words(2), x, y + GAP, width)


@layout("parts over two columns")
def _wide_parts(book: Book) -> None:
    gutter, x = book.rng.uniform(14, 24), book.margin
    width = book.width - 2 * book.margin
    y = _parts(book, x, 60, width, count=book.rng.choice((2, 4)), columns=2) + GAP
    half = (width - gutter) / 2
    ends = [book.write(book.supply.words(5), x + n * (half + gutter), y, half) for n in range(2)]
    y = max(ends) + GAP
    if y < 600:
        draw_figure(book, x + book.rng.randint(0, 1) * (half + gutter), y, half, 110)


@layout("captions above and below on one page")
def _mixed(book: Book) -> None:
    x, width = book.margin, (book.width - 2 * book.margin) * book.rng.uniform(0.7, 1)
    y = 60.0
    for above in book.rng.choice(((True, False), (False, True), (True, False, False))):
        y = draw_figure(book, x, y, width, book.rng.uniform(110, 150), above=above)
        y += book.gap + book.rng.uniform(14, 30)


@layout("stacked with even gaps")
def _stacked(book: Book) -> None:
    x, width, y = book.margin, (book.width - 2 * book.margin) * book.rng.uniform(0.6, 0.9), 50.0
    for _ in range(3):
        y = draw_figure(book, x, y, width, 130) + book.gap - 3


@layout("grid of figures")
def _grid(book: Book) -> None:
    x, between, y = book.margin, book.rng.uniform(12, 24), 55.0
    columns = book.rng.choice((2, 3))
    width = (book.width - 2 * book.margin - (columns - 1) * between) / columns
    for _ in range(2):
        ends = []
        for column in range(columns):
            label, caption = book.label(), book.supply.caption(1)
            left = x + column * (width + between)
            book.tell(book.photo(left, y, width, width * 0.8), caption)
            ends.append(book.caption(label, caption[0], left, y + width * 0.8 + book.gap - 3, width))
        y = max(ends) + 16


@layout("captions stacked below two pictures")
def _stack_of_captions(book: Book) -> None:
    x, between = book.margin, book.rng.uniform(8, 16)
    width = (book.width - 2 * book.margin - between) / 2
    y = book.write(book.supply.words(4), x, 60, 2 * width + between) + GAP
    captions = [book.supply.caption(1) for _ in range(2)]
    for column, caption in enumerate(captions):
        book.tell(book.photo(x + column * (width + between), y, width, 150), caption)
    y += 150 + book.gap - 3
    for caption in captions:
        y = book.caption(book.label(), caption[0], x, y, 2 * width + between) + book.rng.uniform(0, 5)


@layout("over a page break")
def _broken(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    while y < 430:
        y = book.write(book.supply.words(2), x, y, width) + 6
    label, caption = book.label(), book.supply.caption()
    if book.rng.random() < 0.7:
        book.tell(book.photo(x, y + 10, width * 0.8, 780 - y - 10), caption)
        book.next_page()
        y = book.caption(label, caption[0], x, 55, width)
    else:
        while y + book.caption_height(label, caption[0], width) < 730:
            y = book.write(book.supply.words(1), x, y, width) + 6
        book.caption(label, caption[0], x, y + 12, width)
        book.next_page()
        book.tell(book.photo(x, 55, width * 0.8, 220), caption)
        y = 275
    book.write(book.supply.words(6), x, y + GAP, width)


@layout("plate with its legend on the facing page")
def _plate(book: Book) -> None:
    if book.page % 2:  # a plate of a left page faces the right one
        book.write(book.supply.words(12), book.margin, 60, book.width - 2 * book.margin)
        book.next_page()
    label, caption = book.label(), book.supply.caption()
    plate_first = book.rng.random() < 0.6

    def plate() -> None:
        inset = book.rng.choice((0.0, 40.0))
        book.tell(book.photo(inset, inset, book.width - 2 * inset, book.height - 2 * inset - 30), caption)

    def legend() -> None:
        x, width = book.margin, book.width - 2 * book.margin
        y = book.caption(label, caption[0], x, 70, width)
        book.write(book.supply.words(8), x, y + 2 * GAP, width)

    for number, side in enumerate((plate, legend) if plate_first else (legend, plate)):
        if number:
            book.next_page()
        side()


@layout("turned page")
def _turned(book: Book) -> None:
    book.turn(book.rng.choice((90, 270)))
    x, width, y = 60.0, book.width - 120, 50.0
    if book.rng.random() < 0.5:
        _parts(book, x, y, width, count=3, columns=3)
    else:
        draw_figure(book, x, y, width * 0.7, 330)


@layout("ligatures and divided words")
def _divided(book: Book) -> None:
    book.caption_fonts, book.ligatures, book.hyphens = ("Vera", "VeraBd"), True, True
    x, width = book.margin, book.rng.uniform(150, 220)
    y = book.write(book.supply.words(3), x, 60, book.width - 2 * book.margin)
    for _ in range(2):
        y = draw_figure(book, x, y + GAP, width, 130)


@layout("other languages")
def _languages(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    wide = width * 0.6
    for word in book.rng.sample(("Abb. {}", "Abbildung {}", "Figura {}", "Tafel {}"), 2):
        label, caption = book.label(word), book.supply.caption(1)
        book.tell(book.photo(x, y, wide, 150), caption)
        y = book.caption(label, caption[0], x, y + 150 + book.gap - 3, wide) + GAP
    text = book.rng.choice(("躯干散在红色斑块，表面覆有银白色鳞屑。", "面部可见褐色斑片，边缘不规则，颜色不均匀。"))
    book.tell(book.photo(x, y, wide, 150), (text, text, "", ""))
    book.caption(book.label("图 {}"), text, x, y + 150 + book.gap - 3, wide, font=CHINESE)


@layout("captions in the margin")
def _margin(book: Book) -> None:
    narrow, x, y = 120.0, 45.0, 60.0
    width = book.width - 2 * x - narrow - 14
    for _ in range(2):
        y = book.write(book.supply.words(4), x, y, width) + GAP
        label, caption = book.label(), book.supply.caption(1)
        book.tell(book.photo(x, y, width, 170), caption)
        start = y + book.rng.choice((0.0, max(0.0, 170 - book.caption_height(label, caption[0], narrow))))
        book.caption(label, caption[0], x + width + 14, start, narrow)
        y += 170 + GAP
    book.write(book.supply.words(2), x, y, width)


@layout("text that names figures")
def _mentions(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    number = book.numbered.format(chapter=book.chapter, figure=book.figure + 1)
    sentences = [
        f"Figure {number} shows what is meant. {book.supply.words(2)}",
        f"{book.supply.words(1)[:-1]} (Fig. {number}). {book.supply.words(1)}",
        f"Figures {number} and others are discussed later. {book.supply.words(2)}",
    ]
    for text in sentences[:2]:
        y = book.write(text, x, y, width) + 5
    y = draw_figure(book, x, y + GAP, width * 0.7, 180) + GAP
    for text in sentences[1:]:
        y = book.write(text, x, y, width) + 5
    draw_figure(book, x, y + GAP, width * 0.6, 150)
