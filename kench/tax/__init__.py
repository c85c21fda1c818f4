"""The hand-over of income to the tax service: what it pulls over X-Road, and what it is sent."""
