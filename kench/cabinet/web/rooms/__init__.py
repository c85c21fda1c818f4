"""One module for each room: an `APIRouter` named `room`, included by `kench.cabinet.web.app`."""
