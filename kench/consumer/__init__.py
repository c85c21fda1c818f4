"""A sample of the tax service's side: pulls periods over X-Road, checks them, sends receipts."""
