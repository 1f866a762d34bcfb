"""The store on disk: its layout, manifests, verification, inventory and GC roots."""
