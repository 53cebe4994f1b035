"""A market's book at the day's end, as the next day's first snapshot: only where it is known to be right."""

from msgspec import Raw, json

from booktape.core.proof_book import BookProof
from booktape.core.proof_loss import Loss
from booktape.core.proof_terms import Terms
from booktape.core.records import BookSnapshot, sequence_id


def standing(proof: BookProof, loss: Loss, terms: Terms, *, listened: bool) -> BookSnapshot | None:
    """The book after the day's last message, told at the midnight that ends the day; None if nobody can vouch for it.

    Somebody can where its checksums hold to the end, or where no number is missing since its last snapshot; and where
    it is known that nothing came after the last message: by the next day's first number, or because somebody
    ``listened`` from that message to midnight.
    """
    book = proof.crossed.book
    whole = not loss.end.missing and not loss.end.links
    ended = whole and (listened or loss.end.known)
    if not ended or book is None or proof.last is None or book.is_crossed() or not _is_sound(proof, loss):
        return None
    bids, asks = proof.known()
    return BookSnapshot(
        last_id=sequence_id(proof.last),
        timestamp=terms.day.stop,
        bids=Raw(json.encode(bids)),
        asks=Raw(json.encode(asks)),
        origin="derived",
        local_timestamp=terms.day.stop,
    )


def _is_sound(proof: BookProof, loss: Loss) -> bool:
    """Whether nothing is missing since the last snapshot; where nothing is numbered, a checksum must have said so."""
    if proof.checksum is not None:
        return proof.checksum.is_sound and proof.checksum.checked > proof.checked
    begun = sequence_id(proof.begun) if proof.begun is not None else None
    if begun is None or loss.first is None or not proof.joined:
        return False
    holes = [last for _, last in (*loss.missing, *loss.start.missing)]
    holes += [after for _, after in (*loss.links, *loss.start.links)]
    return all(hole <= begun for hole in holes)
