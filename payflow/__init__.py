"""PayFlow: what the business means (``domain``) and where it is kept (``storage``)."""
