"""A frame of Bitfinex that is not understood has arrived all the same: its number must not be missing."""

import pytest

from booktape.exchanges import exchange
from booktape.exchanges.spec import UnknownFrameError

SUBSCRIBED = {
    "trades": b'{"event":"subscribed","channel":"trades","chanId":7,"symbol":"tBTCUSD"}',
    "book": b'{"event":"subscribed","channel":"book","chanId":7,"symbol":"tBTCUSD"}',
    "deriv": b'{"event":"subscribed","channel":"status","chanId":7,"key":"deriv:tBTCF0:USTF0"}',
    "liquidations": b'{"event":"subscribed","channel":"status","chanId":7,"key":"liq:global"}',
}


@pytest.mark.parametrize(
    ("channel", "frame"),
    [
        ("trades", b'[7,"te",[1,1790000680828,null,60000],41,1790000680900]'),
        ("trades", b'[7,"te",{"id":1},41,1790000680900]'),
        ("book", b'[7,[60000,"one",0.5],41,1790000680900]'),
        ("deriv", b"[7,[1790000680828,null],41,1790000680900]"),
        ("liquidations", b'[7,[["pos",1]],41,1790000680900]'),
    ],
)
def test_a_frame_with_other_content_keeps_its_number(channel: str, frame: bytes) -> None:
    parse = exchange("bitfinex").parser()
    parse(SUBSCRIBED[channel], 1_000)
    with pytest.raises(UnknownFrameError) as raised:
        parse(frame, 1_000)
    assert raised.value.number == 41
