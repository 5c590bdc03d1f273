"""One module per wire format, over one provider behaviour."""
