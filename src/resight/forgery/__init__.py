"""Is a photo forged? The traces that forging leaves, and a head that weighs them together with the photo's vector."""

from resight.forgery.head import ForgeryHead, ForgeryInfo, HeadNumbers
from resight.forgery.traces import TRACES, traces_of

__all__ = ["TRACES", "ForgeryHead", "ForgeryInfo", "HeadNumbers", "traces_of"]
