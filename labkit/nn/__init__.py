"""Networks: the GMCNN generator and the layers it is built from."""
