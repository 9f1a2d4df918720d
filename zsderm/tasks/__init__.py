"""What encoders and knowledge bases are good for besides classification."""
