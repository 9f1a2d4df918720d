"""The contents of the files of a form: the photographs in ZIP archives, and the pictures in DICOM files.

Nothing is unpacked by the names in an archive: each member becomes a file of random name, is looked at as if it had
been sent by itself, and counts against the same limits. What may not be read is a row with a reason.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from zsderm.errors import ImageError
from zsderm.file_names import frame_name
from zsderm.images import ArchivedFile, ArchiveLimits, PhotographArchive, file_of, passed_over_text
from zsderm.images.formats import HEAD, is_dicom
from zsderm.service.pictures import Pictures
from zsderm.service.problems import ProblemError
from zsderm.service.uploads import HEAD_BYTES, Form, Upload, shown_name, why_no_photograph
from zsderm.wording import counted


class Contents:
    """Takes the files of forms apart.

    Args:
        pictures: counts the pictures of DICOM files, in processes that may die of it.
        max_bytes: that all archives of a form may hold, unpacked.
        max_file_bytes: of one photograph.
        max_members: files of any kind in one archive.
    """

    def __init__(self, pictures: Pictures, max_bytes: int, max_file_bytes: int, max_members: int) -> None:
        self._pictures = pictures
        self._max_bytes, self._max_file_bytes, self._max_members = max_bytes, max_file_bytes, max_members

    def spread(self, form: Form, most: int) -> None:
        """Replace archives by their photographs, and files with several pictures by these pictures.

        Args:
            form: its files lie in one folder, where those of archives come to lie too; archives are gone afterwards.
            most: the largest number of photographs allowed afterwards.

        Raises:
            ProblemError: 413, there are more; all files are gone then.
            OSError: the disk is full.
        """
        found: list[Upload] = []
        over: Counter[str] = Counter()
        for photograph in self._photographs(form.files, over):
            found.extend(self._frames(photograph))
            if len(found) > most:
                for upload in (*found, *form.files):
                    Path(file_of(upload.file)).unlink(missing_ok=True)
                raise ProblemError(
                    413, f"expected at most {counted(most, 'photograph')}, including those in archives, but got more"
                )
        form.files = found
        if over:
            form.notes.append(f"Skipped in archives, because they are not image files: {passed_over_text(over)}.")

    def _photographs(self, files: list[Upload], over: Counter[str]) -> Iterator[Upload]:
        left = self._max_bytes
        for upload in files:
            if not upload.archive or upload.error:
                yield upload
                continue
            try:
                with PhotographArchive(upload.file, self._limits(left)) as archive:
                    none = True
                    for member in archive.files():
                        none = False
                        unpacked = self._unpacked(upload, member)
                        left -= 0 if unpacked.error else unpacked.file.stat().st_size
                        yield unpacked
                    over.update(archive.passed_over)
                if none:
                    yield replace(upload, archive=False, error="a ZIP archive without photographs")
            except ImageError as error:
                yield replace(upload, archive=False, error=str(error))
            finally:
                upload.file.unlink(missing_ok=True)

    def _limits(self, left: int) -> ArchiveLimits:
        return ArchiveLimits(files=self._max_members, bytes=max(0, left), bytes_of_one=self._max_file_bytes)

    def _unpacked(self, archive: Upload, member: ArchivedFile) -> Upload:
        """One file of an archive, as if it had been sent."""
        place = archive.file.with_name(secrets.token_hex(16))
        error = member.reason
        if not error:
            try:
                with place.open("xb") as file:
                    member.copy_to(file)
                error = why_no_photograph(_head(place), place)
            except ImageError as reason:
                error = str(reason)
        if error:
            place.unlink(missing_ok=True)
        return Upload(shown_name(member.name), place, error)

    def _frames(self, upload: Upload) -> Iterator[Upload]:
        """The pictures of a file: most have one."""
        if upload.error or not is_dicom(_head(upload.file)[:HEAD]):
            yield upload
            return
        try:
            count = self._pictures.count(upload.file)
        except ImageError as error:
            upload.file.unlink()
            yield replace(upload, error=str(error))
            return
        if count == 1:
            yield upload
            return
        for number in range(1, count + 1):
            yield replace(upload, name=frame_name(upload.name, number), file=Path(frame_name(upload.file, number)))


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(HEAD_BYTES)
