"""The pretraining room: captions in, a checkpoint folder out; imported as ``zsderm.pretrain``, never by the library."""
